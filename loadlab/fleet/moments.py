"""When each event of a fleet begins and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.model.fleet_outcome import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadlab.fleet.events import Event
    from loadlab.model.fleet import Extent


def moments(events: Iterable[Event], extent: Extent) -> tuple[Moment, ...]:
    """Of those that happen at some time, the first first; conditions hold all the time."""
    return tuple(sorted(_moments(events, extent), key=lambda one: one.start))


def _moments(events: Iterable[Event], extent: Extent) -> Iterator[Moment]:
    for event in events:
        ends, outages = event.ends(extent), event.outages(extent)
        starts = [*(one.at for one in ends), *(one.start for one in outages)]
        if starts:
            last = max([*(one.serving_again for one in ends), *(one.end for one in outages)])
            name = type(event).__module__.rpartition(".")[2]
            yield Moment(name=name, start=min(starts), end=min(last, extent.seconds))
