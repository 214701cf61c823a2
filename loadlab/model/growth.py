"""What grew between two readings of counters that may have begun anew in between: the one rule for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from loadlab.model.counts import COUNTERS, KEYED, ConnectionCounts


def began_anew(earlier: ConnectionCounts, now: ConnectionCounts) -> bool:
    """Whether any counter is less than it was: then the processes that counted were restarted, and all began at 0."""
    return any(later < before for before, later in _counters(earlier, now))


def increase(earlier: ConnectionCounts, now: ConnectionCounts) -> ConnectionCounts:
    """What was counted between two readings; since the restart, if counters began anew. Gauges are as they are now."""
    return now if began_anew(earlier, now) else now - earlier


def more(earlier: float, now: float) -> float:
    """The same rule for one counter by itself.

    >>> more(5, 8), more(5, 3)
    (3, 3)
    """
    return now - earlier if now >= earlier else now


def since_first(readings: Sequence[ConnectionCounts]) -> list[ConnectionCounts]:
    """What was counted since the first of the readings, at each of them."""
    total = readings[0] - readings[0]
    series = [total]
    for earlier, now in pairwise(readings):
        total = replace(total + increase(earlier, now), **now.gauges)
        series.append(total)
    return series


def restarts(readings: Sequence[ConnectionCounts]) -> list[int]:
    """The readings before which counters began anew, by their index."""
    return [number for number, pair in enumerate(pairwise(readings), 1) if began_anew(*pair)]


def without_gaps(earlier: ConnectionCounts, now: ConnectionCounts) -> ConnectionCounts:
    """`now`, with the earlier value of each counter that a reading has missed: that is 0 after it was more than 0.

    Where counters did begin anew, others that are not 0 show it, and nothing is filled.
    """
    if any(0 < later < before for before, later in _counters(earlier, now)):
        return now
    missed: dict[str, Any] = {name: getattr(earlier, name) for name in COUNTERS if not getattr(now, name)}
    keyed: dict[str, Any] = {name: {**getattr(earlier, name), **getattr(now, name)} for name in KEYED}
    return replace(now, **missed, **keyed)


def _counters(earlier: ConnectionCounts, now: ConnectionCounts) -> Iterator[tuple[float, float]]:
    """Each counter's value in both."""
    yield from ((getattr(earlier, name), getattr(now, name)) for name in COUNTERS)
    for name in KEYED:
        ours, theirs = getattr(earlier, name), getattr(now, name)
        yield from ((value, theirs.get(key, 0)) for key, value in ours.items())


def sessions_between(earlier: Mapping[str, float], now: Mapping[str, float]) -> int | None:
    """How many sessions PostgreSQL counted between two readings of `probes.sessions`.

    None where it was not asked, or its statistics were reset in between.
    """
    if not ("sessions" in earlier and "sessions" in now) or earlier["sessions_reset"] != now["sessions_reset"]:
        return None
    grown = int(now["sessions"] - earlier["sessions"])
    return grown if grown >= 0 else None
