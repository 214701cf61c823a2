"""What each age would do over an hour of the traffic of a run: closed forms over what its requests did.

A window of seconds sees no connection expire. How long requests hold a connection, how they spread over threads, and
when the garbage collector closes what no request finds, are measured in seconds too; an hour follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

from loadlab.analysis.closed_forms import reuse, under_way
from loadlab.analysis.deployment import server_of
from loadlab.errors import UsageError
from loadlab.model.over_an_hour import AgeOverAnHour, OverAnHour

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.model.condition import Condition
    from loadlab.model.fleet import Keeping, Spread
    from loadlab.model.samples import Trial
    from loadlab.model.uses import Uses

AGES: Final = (0.0, 60.0, 600.0, None)
HOUR: Final = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    """The means of one server mode; `shares` are those of its threads."""

    rate: float
    held_seconds: float
    shares: Sequence[float]
    collected_after: float | None


def over_an_hour(trials: Sequence[Trial]) -> tuple[OverAnHour, ...]:
    """For each server mode and load with trials that recorded how requests used their connections."""
    by_group: dict[Condition, list[Trial]] = {}
    for trial in trials:
        if trial.state == "complete" and trial.uses is not None and trial.case.competes:
            by_group.setdefault(trial.case.group, []).append(trial)
    return tuple(found for group, those in by_group.items() for found in _of_group(group, those))


def _of_group(group: Condition, trials: Sequence[Trial]) -> Iterator[OverAnHour]:
    keeping = _keeping(trials[0])
    rate = _rate(trials)
    if keeping is None or rate is None:
        return
    measured = _measured(keeping, rate, [trial.uses for trial in trials if trial.uses is not None])
    if measured is not None:
        yield OverAnHour(
            condition=group,
            rate=rate,
            closed_loop=group.open_load is None,
            ages=tuple(_age(age, keeping, measured) for age in AGES),
        )


def _keeping(trial: Trial) -> Keeping | None:
    """None for a server mode that is not modelled."""
    from loadlab.fleet.keeping import keeping  # noqa: PLC0415  only runs that recorded uses need it
    from loadlab.model.config import Config  # noqa: PLC0415

    if trial.case.external or server_of(trial.case.server) is None:
        return None
    kept = Config(name="max_age", parameters={"max_age": 600, "conn_health_checks": False})
    try:
        return keeping(trial.case.server, kept)
    except UsageError:
        return None


def _rate(trials: Sequence[Trial]) -> float | None:
    """The median of each strategy, and the lowest of these: all ages can serve it with the threads that there are."""
    by_strategy: dict[object, list[float]] = {}
    for trial in trials:
        window, seconds = trial.connections.in_window, trial.window_end - trial.window_start
        if seconds > 0:
            rate = (window.opened + window.reused) / seconds
            by_strategy.setdefault(trial.case.strategy, []).append(rate)
    return min(map(median, by_strategy.values()), default=0.0) or None


def _measured(keeping: Keeping, rate: float, uses: Sequence[Uses]) -> _Measured | None:
    hold = _mean(use.hold_seconds.values for use in uses if use.hold_seconds)
    if hold is None:
        return None
    connect = _mean(use.connect_seconds.values for use in uses if use.connect_seconds) or 0.0
    return _Measured(
        rate=rate,
        held_seconds=hold + connect,
        shares=_shares(keeping, uses),
        collected_after=_mean(
            _within(rate * HOUR / keeping.processes, use.spread) for use in uses if use.spread.collected_after
        ),
    )


def _within(requests: float, spread: Spread) -> list[float]:
    """How long garbage waits, at most for all requests of the hour: some of it waits for the end of its process."""
    return [min(lag, requests) for lag in spread.collected_after]


def _mean(columns: Iterable[Sequence[float]]) -> float | None:
    means = [fmean(column) for column in columns]
    return median(means) if means else None


def _shares(keeping: Keeping, uses: Sequence[Uses]) -> Sequence[float]:
    """What share of the requests each thread had; equal ones where not all threads were told apart."""
    threads = keeping.processes * (keeping.threads or 1)
    told = max(uses, key=lambda use: use.spread.requests).spread.by_thread
    if told and len(told) <= threads and sum(told) > 1 - 1 / (2 * threads):
        return told
    return [1 / threads] * threads


def _age(age: float | None, keeping: Keeping, measured: _Measured) -> AgeOverAnHour:
    rate = measured.rate
    if keeping.keeper == "thread" and age != 0:
        rates = [rate * share for share in measured.shares if share]
        opened = sum(_opened(one, age) for one in rates)
        return _figures(age, rate, opened, sum(1 - exp(-one * HOUR) for one in rates))
    used = under_way(rate, measured.held_seconds)
    if age == 0:
        return _figures(age, rate, rate * HOUR, used)
    # Each connection waits in its process for so many requests more; so many of them wait at any time.
    lag = measured.collected_after
    return _figures(age, rate, rate * HOUR, None if lag is None else used + lag * keeping.processes)


def _opened(rate: float, age: float | None) -> float:
    """How many connections a thread opens in an hour; one at least, if it serves."""
    if age is None:
        return 1 - exp(-rate * HOUR)
    return rate * HOUR * (1 - reuse(rate, age))


def _figures(age: float | None, rate: float, opened: float, held: float | None) -> AgeOverAnHour:
    return AgeOverAnHour(
        max_age=age,
        open=held,
        opened=opened,
        opens_per_second=opened / HOUR,
        reuse=max(0.0, 1 - opened / (rate * HOUR)),
    )
