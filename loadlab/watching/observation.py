"""From readings to what a project does with its connections: rates, reuse, leaks, and what other ages would give."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from loadlab.analysis.closed_forms import reuse
from loadlab.analysis.leaking import FEWEST_OPENED, HARDLY_REUSED, loses
from loadlab.model.scraped import AliasReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadlab.watching.reading import Reading

AGES: Final = (0.0, 1.0, 10.0, 60.0, 600.0, None)
UNUSED: Final = "inconclusive: nothing used the database; watch while there are requests"


@dataclass(frozen=True, kw_only=True, slots=True)
class Age:
    """What the closed form expects of a CONN_MAX_AGE (None: unlimited)."""

    max_age: float | None
    reused: float
    opened_per_second: float
    connecting_seconds_per_second: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasObservation:
    """One alias over the whole watch: counts are increases, `open` are (first, highest, last).

    `ages` reckon with what a connect took in the watch or, where it saw none, with `earlier_connect_seconds`: the mean
    since the books began.
    """

    seconds: float
    requests: float
    reused: float
    opened: float
    closed: dict[str, float]
    errors: dict[str, float]
    open: tuple[float, float, float]
    mean_connect_seconds: float | None
    earlier_connect_seconds: float | None
    mean_wait_seconds: float | None
    pool: dict[str, float]
    leak: str
    ages: tuple[Age, ...]

    @property
    def share_reused(self) -> float | None:
        return self.reused / self.requests if self.requests else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """All of a watch; `sessions` is the increase of PostgreSQL's own count, `difference` ours less theirs."""

    readings: int
    gaps: int
    resets: int
    seconds: float
    aliases: dict[str, AliasObservation]
    sessions: int | None
    difference: int | None
    backends: int | None


def observe(readings: Sequence[Reading], *, gaps: int, threads: int | None, counted: str = "default") -> Observation:
    """What at least two readings say; `threads` serve requests, PostgreSQL was asked for the alias `counted`."""
    seconds = readings[-1].at - readings[0].at
    names = sorted({alias for reading in readings for alias in reading.aliases})
    # An alias that is not there has not been used yet, or not since the books began anew.
    series = {alias: [reading.aliases.get(alias, AliasReading()) for reading in readings] for alias in names}
    sessions = _sessions(readings)
    ours = series.get(counted)
    return Observation(
        readings=len(readings),
        gaps=gaps,
        resets=max((_resets(each) for each in series.values()), default=0),
        seconds=seconds,
        aliases={alias: _alias(each, seconds, threads) for alias, each in series.items()},
        sessions=sessions,
        difference=None
        if sessions is None or not ours
        else round(_increase([each.opened for each in ours])) - sessions,
        backends=readings[-1].backends,
    )


def _sessions(readings: Sequence[Reading]) -> int | None:
    first, last = readings[0].sessions, readings[-1].sessions
    return None if first is None or last is None else last - first


def _resets(series: Sequence[AliasReading]) -> int:
    return sum(later.opened < earlier.opened for earlier, later in pairwise(series))


def _increase(values: Sequence[float]) -> float:
    """Of a counter, which begins anew at zero when its books are lost."""
    return sum(later - earlier if later >= earlier else later for earlier, later in pairwise(values))


def _increases(series: Sequence[Mapping[str, float]]) -> dict[str, float]:
    keys = Counter(key for each in series for key in each)
    increases = {key: _increase([each.get(key, 0.0) for each in series]) for key in keys}
    return {key: value for key, value in increases.items() if value}


def _alias(series: Sequence[AliasReading], seconds: float, threads: int | None) -> AliasObservation:
    requests = _increases([each.requests for each in series])
    total = sum(requests.values())
    opened = _increase([each.opened for each in series])
    closed = _increases([each.closed for each in series])
    connect = _mean(series, "connects", "connect_seconds")
    earlier = _mean([AliasReading(), series[-1]], "connects", "connect_seconds")
    levels = (series[0].open, max(each.open for each in series), series[-1].open)
    reused = requests.get("reused", 0.0)
    waits = _increases([each.pool for each in series])
    return AliasObservation(
        seconds=seconds,
        requests=total,
        reused=reused,
        opened=opened,
        closed=closed,
        errors=_increases([each.errors for each in series]),
        open=levels,
        mean_connect_seconds=connect,
        earlier_connect_seconds=earlier,
        mean_wait_seconds=waits.get("wait_seconds", 0.0) / waits["waits"] if waits.get("waits") else None,
        pool={key: value for key, value in series[-1].pool.items() if key in {"size", "available", "waiting"}},
        leak=_leak(opened, reused / total if total else 0.0, closed, levels) if opened or total else UNUSED,
        ages=_ages(total / seconds, threads, earlier if connect is None else connect)
        if threads and total and seconds
        else (),
    )


def _mean(series: Sequence[AliasReading], count: str, total: str) -> float | None:
    counted = _increase([getattr(each, count) for each in series])
    return _increase([getattr(each, total) for each in series]) / counted if counted else None


def _leak(opened: float, share_reused: float, closed: Mapping[str, float], levels: tuple[float, float, float]) -> str:
    """Whether connections leak: "yes", "no", or why it cannot be told."""
    if opened < FEWEST_OPENED and levels[2] <= levels[0]:
        return (
            "no"
            if share_reused > HARDLY_REUSED
            else f"inconclusive: only {opened:g} connections were opened; watch longer"
        )
    grown = levels[2] - levels[0]
    return "yes" if loses(opened=opened, share_reused=share_reused, closed=closed, grown=grown) else "no"


def _ages(rate: float, threads: int, connect_seconds: float | None) -> tuple[Age, ...]:
    """The closed form for threads that live on and get requests at random; `rate` in requests a second of all."""
    ages = []
    for age in AGES:
        reused = 1.0 if age is None else reuse(rate / threads, age)
        opened = rate * (1.0 - reused)
        connecting = None if connect_seconds is None else opened * connect_seconds
        ages.append(Age(max_age=age, reused=reused, opened_per_second=opened, connecting_seconds_per_second=connecting))
    return tuple(ages)
