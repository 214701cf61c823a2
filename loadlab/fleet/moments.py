"""When each event of a fleet begins and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.fleet_outcome import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.fleet.events import Event
    from loadlab.model.fleet import Extent


APART: Final = 300.0  # seconds


def moments(events: Iterable[Event], extent: Extent) -> tuple[Moment, ...]:
    """Of those that happen at some time, the first first; conditions hold all the time."""
    return tuple(sorted(_moments(events, extent), key=lambda one: (one.start, one.name)))


def _moments(events: Iterable[Event], extent: Extent) -> Iterator[Moment]:
    for event in events:
        name = type(event).__module__.rpartition(".")[2]
        spans = [(one.at, one.serving_again) for one in event.ends(extent)]
        spans += [(one.start, one.end) for one in event.outages(extent)]
        for start, end in _joined(sorted(spans)):
            yield Moment(name=name, start=start, end=min(end, extent.seconds))


def _joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Hosts that end one after the other are one event; what comes much later is another."""
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1] + APART:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
