"""Makes readings of one alias comparable: fills what a scrape missed, and notices when another host answers."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from loadlab.model.scraped import AliasReading, added_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.watch.reading import Reading

GAUGES: Final = frozenset({"size", "available", "waiting"})  # of a pool; all else in it counts
NOTHING: Final = AliasReading()
FAR: Final = 3.0  # times the usual increase between two readings
CLOSE: Final = 0.05  # of a jump

Counts = tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One alias over a watch: `series` are counts since its first reading, all hosts together, and what is open then.

    `latest` is the last reading as it was. Counters began anew `resets` times, last at the reading `begins`. `in_turn`
    says that the readings are of several hosts in turn, so that no count is of one of them.
    """

    series: list[AliasReading]
    latest: AliasReading
    resets: int
    begins: int
    in_turn: bool

    @property
    def increase(self) -> AliasReading:
        return self.series[-1]


def track(readings: Sequence[Reading], alias: str) -> Track:
    """Follow an alias that is in one of the readings at least."""
    hosts = dict.fromkeys(host for reading in readings for host in reading.of(alias))
    first_seen = min(number for number, reading in enumerate(readings) if reading.of(alias))
    parts = [_filled([reading.of(alias).get(host) for reading in readings], first_seen) for host in hosts]
    resets = [number for part in parts for number in _falls_of(list(map(_counts, part)))]
    return Track(
        series=[added_up(each) for each in zip(*map(_since_first, parts), strict=True)],
        latest=added_up(part[-1] for part in parts),
        resets=len(resets),
        begins=max(resets, default=0),
        in_turn=any(map(_is_in_turn, parts)),
    )


def _since_first(series: Sequence[AliasReading]) -> list[AliasReading]:
    """Counts since the first reading: one that falls has begun anew at zero."""
    total = NOTHING
    summed = [replace(total, open=series[0].open)]
    for before, now in pairwise(series):
        total = added_up((total, _increase(before, now)))
        summed.append(replace(total, open=now.open))
    return summed


def _increase(before: AliasReading, now: AliasReading) -> AliasReading:
    changes: dict[str, Any] = {"open": 0.0}
    for each in fields(AliasReading):
        earlier, later = getattr(before, each.name), getattr(now, each.name)
        if isinstance(later, dict):
            changes[each.name] = {key: _more(earlier.get(key, 0.0), value) for key, value in later.items()}
        elif each.name != "open":
            changes[each.name] = _more(earlier, later)
    return AliasReading(**changes)


def _more(before: float, now: float) -> float:
    return now - before if now >= before else now


def _filled(known: Sequence[AliasReading | None], alias_seen: int) -> list[AliasReading]:
    """What a scrape missed is as it was before: a series that is absent for once has not begun anew.

    An alias that comes into use during the watch counts from zero. A host that joins others does not: what it has
    counted before is none of the watch's.
    """
    start = next(number for number, one in enumerate(known) if one is not None)
    first = known[start] or NOTHING
    filled = [NOTHING if start == alias_seen else first] * start
    latest = first
    for one in known[start:]:
        latest = latest if one is None else _without_gaps(latest, one)
        filled.append(latest)
    # A host that is gone for more than one reading holds nothing open any more.
    gone = next((number for number, one in enumerate(reversed(known)) if one is not None), 0)
    if gone > 1:
        filled[-gone:] = [replace(latest, open=0.0)] * gone
    return filled


def _without_gaps(before: AliasReading, now: AliasReading) -> AliasReading:
    """`now`, with the earlier value of each counter that is absent; zero after more than zero is absent too.

    Where counters did begin anew, others that are there show it.
    """
    if any(0 < later < earlier for earlier, later in _pairs(before, now)):
        return now
    changes: dict[str, Any] = {}
    for each in fields(AliasReading):
        earlier, later = getattr(before, each.name), getattr(now, each.name)
        if isinstance(earlier, dict):
            counted = {key: value for key, value in earlier.items() if key not in GAUGES and not later.get(key)}
            changes[each.name] = {**later, **counted}
        elif each.name != "open" and not later:
            changes[each.name] = earlier
    return replace(now, **changes)


def _pairs(before: AliasReading, now: AliasReading) -> Iterator[tuple[float, float]]:
    """Each counter's value in both."""
    for each in fields(AliasReading):
        earlier, later = getattr(before, each.name), getattr(now, each.name)
        if isinstance(earlier, dict):
            yield from ((value, later.get(key, 0.0)) for key, value in earlier.items() if key not in GAUGES)
        elif each.name != "open":
            yield earlier, later


def _is_in_turn(series: Sequence[AliasReading]) -> bool:
    """Whether the counters jump between the levels of several hosts that answer in turn.

    Counters fall when a process begins anew too. But then they do not jump back to where they were, nor fall back to
    just above where they had jumped from.
    """
    counts = list(map(_counts, series))
    falls = _falls_of(counts)
    jumps = {jump for fall in falls if (jump := _jump_back(counts, fall))}
    return any(_jumps_back(counts, fall, jumps) or _falls_back(counts, fall, jumps) for fall in falls)


def _counts(reading: AliasReading) -> Counts:
    """What can only grow."""
    sums = (sum(reading.closed.values()), sum(reading.requests.values()), sum(reading.errors.values()))
    return (reading.opened, reading.connects, reading.connect_seconds, reading.lived, *sums)


def _falls(earlier: Counts, later: Counts) -> bool:
    return any(now < before for before, now in zip(earlier, later, strict=True))


def _falls_of(counts: Sequence[Counts]) -> list[int]:
    return [number for number in range(1, len(counts)) if _falls(counts[number - 1], counts[number])]


def _jump_back(counts: Sequence[Counts], fall: int) -> int | None:
    """The step with which all counters are back where they were before the fall, if it is most of the way."""
    before, after = counts[fall - 1], counts[fall]
    back = next((number for number in range(fall + 1, len(counts)) if not _falls(before, counts[number])), None)
    if back is None or sum(counts[back]) - sum(counts[back - 1]) <= (sum(before) - sum(after)) / 2:
        return None
    return back


def _jumps_back(counts: Sequence[Counts], fall: int, jumps: set[int]) -> bool:
    if _jump_back(counts, fall) is None:
        return False
    usual = _usual(counts, jumps)
    return sum(counts[fall - 1]) - sum(counts[fall]) > FAR * usual or sum(counts[fall]) > FAR * usual


def _falls_back(counts: Sequence[Counts], fall: int, jumps: set[int]) -> bool:
    """Whether the counters had jumped, in one step, from just below where they fall to."""
    after = counts[fall]
    for jump in range(1, fall):
        start, end = counts[jump - 1], counts[jump]
        height = sum(end) - sum(start)
        if not sum(start) or _falls(start, after) or height <= FAR * _usual(counts, jumps | {jump}):
            continue
        if sum(after) - sum(start) <= CLOSE * height:
            return True
    return False


def _usual(counts: Sequence[Counts], jumps: set[int]) -> float:
    """The largest increase between two readings, but for the `jumps`."""
    steps = (sum(counts[number]) - sum(counts[number - 1]) for number in range(1, len(counts)) if number not in jumps)
    return max((step for step in steps if step > 0), default=0.0)
