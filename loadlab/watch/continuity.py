"""Makes readings of one alias comparable: fills what a reading missed, and notices when another host answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from loadlab.model.counts import ConnectionCounts, total
from loadlab.model.growth import restarts, since_first, without_gaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.reading import Reading

NOTHING: Final = ConnectionCounts()
FAR: Final = 3.0  # times the usual increase between two readings
CLOSE: Final = 0.05  # of a jump

Level = tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One alias over a watch: `series` are counts since its first reading, all hosts together, and what is open then.

    `latest` is the last reading as it was. Counters began anew `resets` times, last at the reading `begins`. `in_turn`
    says that the readings are of several hosts in turn, so that no count is of one of them.
    """

    series: list[ConnectionCounts]
    latest: ConnectionCounts
    resets: int
    begins: int
    in_turn: bool

    @property
    def increase(self) -> ConnectionCounts:
        return self.series[-1]


def track(readings: Sequence[Reading], alias: str) -> Track:
    """Follow an alias that is in one of the readings at least."""
    hosts = dict.fromkeys(host for reading in readings for host in reading.of(alias))
    first_seen = min(number for number, reading in enumerate(readings) if reading.of(alias))
    parts = [_filled([reading.of(alias).get(host) for reading in readings], first_seen) for host in hosts]
    resets = [number for part in parts for number in restarts(part)]
    return Track(
        series=[total(each) for each in zip(*map(since_first, parts), strict=True)],
        latest=total(part[-1] for part in parts),
        resets=len(resets),
        begins=max(resets, default=0),
        in_turn=any(map(_is_in_turn, parts)),
    )


def _filled(known: Sequence[ConnectionCounts | None], alias_seen: int) -> list[ConnectionCounts]:
    """What a reading missed is as it was before: counters that are absent for once have not begun anew.

    An alias that comes into use during the watch counts from zero. A host that joins others does not: what it has
    counted before is none of the watch's.
    """
    start = next(number for number, one in enumerate(known) if one is not None)
    first = known[start] or NOTHING
    filled = [NOTHING if start == alias_seen else first] * start
    latest = first
    for one in known[start:]:
        latest = latest if one is None else without_gaps(latest, one)
        filled.append(latest)
    # A host that is gone for more than one reading holds nothing open any more.
    gone = next((number for number, one in enumerate(reversed(known)) if one is not None), 0)
    if gone > 1:
        filled[-gone:] = [replace(latest, open=0, holders={})] * gone
    return filled


def _is_in_turn(series: Sequence[ConnectionCounts]) -> bool:
    """Whether the counters jump between the levels of several hosts that answer in turn.

    Counters fall when a process begins anew too. But then they do not jump back to where they were, nor fall back to
    just above where they had jumped from.
    """
    levels = list(map(_level, series))
    falls = _falls_of(levels)
    jumps = {jump for fall in falls if (jump := _jump_back(levels, fall))}
    return any(_jumps_back(levels, fall, jumps) or _falls_back(levels, fall, jumps) for fall in falls)


def _level(counts: ConnectionCounts) -> Level:
    """What can only grow."""
    return (
        counts.opened,
        counts.connects,
        counts.connect_seconds_sum,
        counts.ended,
        counts.closed_in_all,
        counts.requests,
        sum(counts.connect_errors.values()),
    )


def _falls(earlier: Level, later: Level) -> bool:
    return any(now < before for before, now in zip(earlier, later, strict=True))


def _falls_of(levels: Sequence[Level]) -> list[int]:
    return [number for number in range(1, len(levels)) if _falls(levels[number - 1], levels[number])]


def _jump_back(levels: Sequence[Level], fall: int) -> int | None:
    """The step with which all counters are back where they were before the fall, if it is most of the way."""
    before, after = levels[fall - 1], levels[fall]
    back = next((number for number in range(fall + 1, len(levels)) if not _falls(before, levels[number])), None)
    if back is None or sum(levels[back]) - sum(levels[back - 1]) <= (sum(before) - sum(after)) / 2:
        return None
    return back


def _jumps_back(levels: Sequence[Level], fall: int, jumps: set[int]) -> bool:
    if _jump_back(levels, fall) is None:
        return False
    usual = _usual(levels, jumps)
    return sum(levels[fall - 1]) - sum(levels[fall]) > FAR * usual or sum(levels[fall]) > FAR * usual


def _falls_back(levels: Sequence[Level], fall: int, jumps: set[int]) -> bool:
    """Whether the counters had jumped, in one step, from just below where they fall to."""
    after = levels[fall]
    for jump in range(1, fall):
        start, end = levels[jump - 1], levels[jump]
        height = sum(end) - sum(start)
        if not sum(start) or _falls(start, after) or height <= FAR * _usual(levels, jumps | {jump}):
            continue
        if sum(after) - sum(start) <= CLOSE * height:
            return True
    return False


def _usual(levels: Sequence[Level], jumps: set[int]) -> float:
    """The largest increase between two readings, but for the `jumps`."""
    steps = (sum(levels[number]) - sum(levels[number - 1]) for number in range(1, len(levels)) if number not in jumps)
    return max((step for step in steps if step > 0), default=0.0)
