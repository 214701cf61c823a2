"""What one look at a project's /metrics says, as numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasReading:
    """What /metrics says of one database alias; counters since their process's books began.

    `lived` counts connections that have closed, `lived_seconds` how long they were open, all together.
    """

    open: float = 0.0
    opened: float = 0.0
    closed: dict[str, float] = field(default_factory=dict)
    requests: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    connects: float = 0.0
    connect_seconds: float = 0.0
    lived: float = 0.0
    lived_seconds: float = 0.0
    pool: dict[str, float] = field(default_factory=dict)


def added_up(readings: Iterable[AliasReading]) -> AliasReading:
    """The sum of several hosts' readings of one alias."""
    known = list(readings)
    sums: dict[str, Any] = {}
    for each in fields(AliasReading):
        values = [getattr(one, each.name) for one in known]
        sums[each.name] = _of_keys(values) if each.name in _BY_KEY else sum(values)
    return AliasReading(**sums)


_BY_KEY: Final = frozenset({"closed", "requests", "errors", "pool"})


def _of_keys(values: Iterable[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for value in values:
        for key, count in value.items():
            total[key] += count
    return dict(total)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scraped:
    """All aliases by name, and how many requests were answered; None where the project does not count them.

    Where one exposition holds several hosts, told apart by labels such as `instance`, `aliases` are their sums and
    `hosts` has each of them, by alias and by those labels.
    """

    aliases: dict[str, AliasReading]
    requests: float | None = None
    hosts: Mapping[str, Mapping[str, AliasReading]] = field(default_factory=dict)
