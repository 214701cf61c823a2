"""From readings to what a project does with its connections: rates, reuse, leaks, and what other ages would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.analysis.closed_forms import reuse
from loadlab.analysis.leaking import FEWEST, judge_growth
from loadlab.model.growth import sessions_between
from loadlab.model.holders import Holder
from loadlab.model.observation import Age, AliasObservation, Observation, WatchedLeak
from loadlab.watch.continuity import track

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.counts import ConnectionCounts
    from loadlab.model.reading import Reading
    from loadlab.watch.continuity import Track

AGES: Final = (0.0, 1.0, 10.0, 60.0, 600.0, None)
FEWEST_READINGS: Final = 2
MOSTLY: Final = 0.9
UNKNOWN: Final = Holder.UNKNOWN.label


def observe(readings: Sequence[Reading], *, gaps: int, threads: int | None, counted: str = "default") -> Observation:
    """What at least two readings say; `threads` serve requests, PostgreSQL was asked for the alias `counted`."""
    names = sorted({alias for reading in readings for alias in reading.hosts})
    tracks = {alias: track(readings, alias) for alias in names}
    in_turn = any(each.in_turn for each in tracks.values())
    watch = _CommonSeries(
        at=[reading.at for reading in readings], answered=[reading.answered for reading in readings], threads=threads
    )
    sessions = sessions_between(readings[0].judged, readings[-1].judged)
    ours = tracks.get(counted)
    return Observation(
        readings=len(readings),
        gaps=gaps,
        resets=0 if in_turn else max((each.resets for each in tracks.values()), default=0),
        seconds=watch.seconds,
        aliases={} if in_turn else {alias: _alias(each, watch) for alias, each in tracks.items()},
        sessions=sessions,
        difference=None if in_turn or sessions is None or not ours else ours.increase.opened - sessions,
        backends=readings[-1].backends,
        invalid="in_turn" if in_turn else None,
        mean_response_seconds=None if in_turn else _mean_response(readings),
    )


def _mean_response(readings: Sequence[Reading]) -> float | None:
    """Over the whole watch, or since counting began where it began anew."""
    first, last = readings[0], readings[-1]
    if last.answered is None or last.answered_seconds is None:
        return None
    before, seconds = first.answered or 0, first.answered_seconds or 0.0
    if last.answered < before or last.answered_seconds < seconds:
        before, seconds = 0, 0.0
    answered = last.answered - before
    return (last.answered_seconds - seconds) / answered if answered else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _CommonSeries:
    """What all aliases share: when the readings were, and how many requests had been answered by then."""

    at: list[float]
    answered: list[int | None]
    threads: int | None

    @property
    def seconds(self) -> float:
        return self.at[-1] - self.at[0]


def _alias(track: Track, watch: _CommonSeries) -> AliasObservation:
    grown, levels = track.increase, [each.open for each in track.series]
    requests = grown.requests - _units(grown)
    connect, earlier = _mean_connect(grown), _mean_connect(track.latest)
    return AliasObservation(
        seconds=watch.seconds,
        requests=requests,
        reused=grown.reused - _units(grown, "reused"),
        units=grown.units,
        opened=grown.opened,
        closed=grown.closed,
        errors=grown.connect_errors,
        open=_span(levels),
        holders=track.series[-1].holders,
        leaked=_leaked(track.series),
        mean_connect_seconds=connect,
        earlier_connect_seconds=earlier,
        mean_hold_seconds=grown.ended_seconds_sum / grown.ended if _closes_at_end(grown) else None,
        mean_wait_seconds=grown.wait_seconds_sum / grown.waits if grown.waits else None,
        pool=_pool(track.latest),
        leak=_leak(track, watch),
        ages=_ages(requests / watch.seconds, watch.threads, earlier if connect is None else connect)
        if watch.threads and requests and watch.seconds
        else (),
    )


def _span(levels: Sequence[int]) -> tuple[int, int, int]:
    """The first, the highest and the last."""
    return levels[0], max(levels), levels[-1]


def _leaked(series: Sequence[ConnectionCounts]) -> tuple[int, int, int] | None:
    """How many open connections belong to threads that have ended; None where a reading says of none who holds it."""
    told = not any(one.open and set(one.holders) <= {UNKNOWN} for one in series)
    return _span([one.leaked for one in series]) if told else None


def _units(counts: ConnectionCounts, how: str = "") -> int:
    """Units of work that are no requests; of those only that have `reused` a connection, say."""
    return sum(count for name, count in counts.units.items() if name.endswith(how))


def _mean_connect(counts: ConnectionCounts) -> float | None:
    return counts.connect_seconds_sum / counts.connects if counts.connects else None


def _pool(counts: ConnectionCounts) -> dict[str, int]:
    """Empty where no pool holds connections."""
    if not counts.pooled:
        return {}
    return {"size": counts.pool_size, "available": counts.pool_available, "waiting": counts.pool_waiting}


def _leak(track: Track, watch: _CommonSeries) -> WatchedLeak:
    """Whether connections leak, or why it cannot be told. What was before a restart is left out."""
    series, at = track.series[track.begins :], watch.at[track.begins :]
    used = track.increase.opened or track.increase.requests
    if len(series) < FEWEST_READINGS:
        return WatchedLeak.BEGUN_ANEW if used else WatchedLeak.UNUSED
    first, last = watch.answered[track.begins], watch.answered[-1]
    told = judge_growth(
        series,
        requests=None if first is None or last is None or last < first else last - first,
        busy=_busy(series[0], series[-1], at[-1] - at[0]),
        threads=watch.threads,
    )
    if told != "cannot tell":
        return WatchedLeak(told)
    if not used:
        return WatchedLeak.UNUSED
    opened = series[-1].opened - series[0].opened
    return WatchedLeak.TOO_FEW_OPENED if opened < FEWEST else WatchedLeak.STILL_GROWING


def _busy(first: ConnectionCounts, last: ConnectionCounts, seconds: float) -> float:
    """At most so many connections are in use at once, where each is closed at the end of its request.

    Little's law has the mean: how often one is opened × how long it is open; twice that leaves room for growing load.
    """
    grown = last - first
    if not seconds or not _closes_at_end(grown):
        return 0.0
    return 2 * grown.opened / seconds * grown.ended_seconds_sum / grown.ended


def _closes_at_end(grown: ConnectionCounts) -> bool:
    """Whether connections end with their requests."""
    return grown.ended > 0 and grown.closed.get("request_end", 0) >= MOSTLY * grown.closed_in_all


def _ages(rate: float, threads: int, connect_seconds: float | None) -> tuple[Age, ...]:
    """The closed form for threads that live on and get requests at random; `rate` in requests a second of all."""
    ages = []
    for age in AGES:
        reused = 1.0 if age is None else reuse(rate / threads, age)
        opened = rate * (1.0 - reused)
        connecting = None if connect_seconds is None else opened * connect_seconds
        ages.append(Age(max_age=age, reused=reused, opened_per_second=opened, connecting_seconds_per_second=connecting))
    return tuple(ages)
