"""When the connections of a thread end without regard to its requests: its process ends, or they are lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Scene


@dataclass(frozen=True, kw_only=True, slots=True)
class Break:
    """At `at`, the threads of a host lose their connections, which are open until `gone`.

    They can open others from `again` on. `lost`: they do not know of it before their next request.
    """

    at: float
    gone: float
    again: float
    lost: bool


class Breaks:
    """The breaks of each host in order, in one table; its threads pass one after the other.

    `at`, `gone` and `again` have a row for each host, and a last column of inf.
    """

    def __init__(self, scene: Scene) -> None:
        of_host = _of_hosts(scene)
        shape = (scene.hosts, max(map(len, of_host)) + 1)
        self.any = shape[1] > 1
        self.at = np.full(shape, np.inf)
        self.gone = np.full(shape, np.inf)
        self.again = np.full(shape, np.inf)
        self.lost = np.zeros(shape, dtype=bool)
        for host, breaks in enumerate(of_host):
            for place, one in enumerate(breaks):
                self.at[host, place], self.gone[host, place] = one.at, one.gone
                self.again[host, place], self.lost[host, place] = one.again, one.lost


def _of_hosts(scene: Scene) -> list[list[Break]]:
    found: list[list[Break]] = [[] for _ in range(scene.hosts)]
    for first, last, one in _all(scene):
        for breaks in found[first : min(last, scene.hosts)]:
            breaks.append(one)
    return [_in_order(breaks) for breaks in found]


def _in_order(breaks: list[Break]) -> list[Break]:
    """None lets connections open before an earlier one does."""
    ordered: list[Break] = []
    for one in sorted(breaks, key=lambda each: each.at):
        again = max(one.again, ordered[-1].again) if ordered else one.again
        ordered.append(replace(one, again=again))
    return ordered


def _all(scene: Scene) -> Iterator[tuple[int, int, Break]]:
    for end in scene.ends:
        yield end.first, end.last, Break(at=end.at, gone=end.gone, again=end.serving_again, lost=False)
    for outage in scene.outages:
        yield outage.first, outage.last, Break(at=outage.start, gone=outage.gone_at, again=outage.end, lost=True)
