"""What the fleet model has to know of a project, from a run folder or from a watch."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from loadlab.errors import UsageError
from loadlab.fleet import garbage
from loadlab.fleet.dispatch_fit import fit, merged
from loadlab.fleet.spread import QUANTILES
from loadlab.model.causes import Cause
from loadlab.model.extract import extract_of
from loadlab.model.fleet import Application, Collector, Dispatch, Distribution, Spread
from loadlab.model.holding import Holding
from loadlab.store.reader import RunReader
from loadlab.system.files import DamagedFileError, plain_json, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from loadlab.model.samples import Trial
    from loadlab.model.uses import Choices, Uses

# A trial with one of these says nothing of how requests spread, or how long they took.
SPOILT: Final = frozenset(
    {Cause.GENERATOR_FAILED, Cause.UNANSWERED, Cause.PROCESS_LOST, Cause.DATABASE_LOST, Cause.POOLER_LOST}
)
PLAIN: Final[tuple[Callable[[Trial], bool], ...]] = (
    lambda trial: trial.case.open_load is not None,
    lambda trial: trial.case.strategy is None or trial.case.strategy.name == "max_age",
    lambda trial: not trial.case.round_trip_ms,
    lambda trial: not trial.case.idle_percent,
    lambda trial: Cause.TASKS_DROPPED not in trial.causes,
)
MEASURE: Final = "Measure one: loadlab run calibration"
MOST_BYTES: Final = 1 << 24  # of what a watch prints
ROUNDING: Final = 1e-12
LAGS: Final = 1_001  # values of how long garbage waits: few wait long, but these make up what is open
FEWEST_OPENED: Final = 0.2  # of requests, that one arm has to open more than the other to tell what a connect costs


def application_of_run(folder: Path, mode: str | None = None) -> Application:
    """What a run has measured: of one server mode, or of all of them together.

    Trials are taken before others that have an open load, whose requests do not wait for each other; that have an age
    and no pool or pooler; that have no added latency, and no idle connections of others beside them; and that kept up
    with their load.

    Raises:
        UsageError: it is no run, its trials are damaged or of an earlier loadlab, or it has not measured the mode.
    """
    reader = RunReader.at(folder)
    trials, damaged = reader.trials_in_extract()
    known = [trial for trial in trials if trial.uses is not None and not SPOILT.intersection(trial.causes)]
    if not known:
        raise UsageError(
            f"{folder} does not say how requests use their connections: {_why(trials, damaged)}. {MEASURE}."
        )
    chosen = [trial for trial in known if mode in (None, _mode(trial))]
    if not chosen:
        have = ", ".join(sorted({_mode(trial) for trial in known}))
        raise UsageError(f"{folder} has not measured the server mode {mode}, but {have}. {_measure(mode)}")
    for plain in PLAIN:
        chosen = [trial for trial in chosen if plain(trial)] or chosen
    return _application(folder, chosen, reader.holding()[0] or Holding())


def _measure(mode: str | None) -> str:
    return f"{MEASURE} with [servers.{mode}] in its plan."


def _why(trials: Sequence[Trial], damaged: Sequence[object]) -> str:
    if damaged:
        return f"{len(damaged)} of its files are damaged"
    if not trials:
        return "it has no trials"
    if any(trial.uses is not None for trial in trials):
        return "no trial went through to its end"
    return "it measured an external target, or was made by an earlier loadlab"


def _mode(trial: Trial) -> str:
    return "" if trial.case.server is None else trial.case.server.name


def _application(folder: Path, trials: Sequence[Trial], holding: Holding) -> Application:
    """With the costs of a connection as measured after the trials where the trials do not tell, and its memory first.

    Trials may be without an arm that opens often, and they look at few backends, of which each may be in use.
    """
    by_mode: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_mode[_mode(trial)].append(trial)
    hold = _together((use.hold_seconds, use.spread.requests) for use in _uses(trials))
    connect = _together(_connects(trial) for trial in trials)
    if hold is None or connect is None:
        raise UsageError(f"{folder} has not opened a connection that a request used. {MEASURE}.")
    connects_app, requests_app = _cpu(trials, "app")
    connects_database, _ = _cpu(trials, "database")
    alone = holding.opening
    seen = (use.idle_backend_bytes for use in _uses(trials))
    return Application(
        connect_seconds=connect,
        hold_seconds=hold,
        spreads={mode: together(list(_uses(of_mode))) for mode, of_mode in by_mode.items()},
        app_cpu_per_connect=_first_known(connects_app, alone.client.value if alone else None),
        database_cpu_per_connect=_first_known(connects_database, alone.database.value if alone else None),
        app_cpu_per_request=requests_app,
        idle_backend_bytes=holding.used.held if holding.used else _median(seen),
        client_bytes=holding.client.held if holding.client else None,
        # One that was begun while an earlier trial ended took less.
        boot_seconds={
            mode: max(trial.overhead_seconds.get("boot", 0.0) for trial in of_mode) for mode, of_mode in by_mode.items()
        },
        source=f"the run in {folder}{_doubts(trials)}",
        closed_loop=any(trial.case.open_load is None for trial in trials),
    )


def _doubts(trials: Sequence[Trial]) -> str:
    """What is known to disturb the times that were measured."""
    invalid = [trial for trial in trials if trial.state != "complete"]
    if not invalid:
        return ""
    return f", where {len(invalid)} of {len(trials)} trials are invalid ({invalid[0].reason.partition(':')[0]})"


def _uses(trials: Iterable[Trial]) -> Iterable[Uses]:
    return (trial.uses for trial in trials if trial.uses is not None)


def _connects(trial: Trial) -> tuple[Distribution | None, int]:
    """How long connects took, and how many there were in the window; one at least, before it."""
    connects = trial.uses.connect_seconds if trial.uses else None
    return connects, max(trial.connections.in_window.opened, 1)


def _together(parts: Iterable[tuple[Distribution | None, int]]) -> Distribution | None:
    """One distribution of several, each with its weight."""
    values: list[float] = []
    weights: list[float] = []
    for part, weight in parts:
        if part is not None:
            values += part.values
            weights += [weight / len(part.values)] * len(part.values)
    if not values:
        return None
    order = np.argsort(values)
    reached = np.cumsum(np.asarray(weights)[order])
    places = np.searchsorted(reached, QUANTILES * reached[-1] * (1 - ROUNDING))
    return Distribution(values=tuple(map(float, np.asarray(values)[order][places])))


def together(uses: Sequence[Uses]) -> Spread:
    """The spread of all trials of a mode: choices are put together, shares are of the trial with most requests."""
    most = max(uses, key=lambda use: use.spread.requests)
    return Spread(
        processes=_fit(use.process_choices for use in uses),
        threads=_fit(use.thread_choices for use in uses),
        lazy_threads=sum(use.lazy_odds for use in uses) > 0,
        collector=_collector(uses),
        cold_seconds=median(use.spread.cold_seconds for use in uses),
        ahead_seconds=median(use.spread.ahead_seconds for use in uses),
        collected_after=garbage.lags(garbage.merged(use.garbage for use in uses), LAGS),
        requests=sum(use.spread.requests for use in uses),
        by_process=most.spread.by_process,
        by_thread=most.spread.by_thread,
    )


def _collector(uses: Sequence[Uses]) -> Collector | None:
    """Of the trial with most requests that tells, with most of its garbage."""
    known = [use for use in uses if use.spread.collector is not None]
    most = max(known, key=lambda use: (len(use.garbage) > 0, use.spread.requests), default=None)
    return None if most is None else most.spread.collector


def _fit(of_trials: Iterable[tuple[Choices, ...]]) -> Dispatch:
    parts = [part for part in of_trials if part]
    order = sum(max(choices.idle for choices in part) - 1 for part in parts)
    return fit(merged(choices for part in parts for choices in part), order)


def _cpu(trials: Sequence[Trial], end: str) -> tuple[float | None, float | None]:
    """CPU seconds of one connect and of one request, at one end.

    From arms of one case that differ in their strategy alone, of which one opens for most requests and one for few.
    """
    by_case: dict[object, list[tuple[float, float]]] = defaultdict(list)
    for trial in trials:
        spent, requests = getattr(trial.cpu_seconds, end), extract_of(trial).requests
        if spent is not None and requests:
            opened = trial.connections.in_window.opened / requests
            by_case[trial.case.without("strategy")].append((opened, spent / requests))
    lines = [line for points in by_case.values() if (line := _line(points)) is not None]
    return _median(slope for slope, _ in lines), _median(start for _, start in lines)


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """What one more open per request costs, and a request without; None where all open about as often."""
    opened, spent = np.array(points).T
    if np.ptp(opened) < FEWEST_OPENED:
        return None
    slope, start = np.polyfit(opened, spent, 1)
    return max(float(slope), 0.0), max(float(start), 0.0)


def _median(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return median(there) if there else None


def application_of_watch(path: Path) -> Application:
    """What `loadlab watch --json` has printed: means, so each distribution is one value. Spreads are not in it.

    Raises:
        UsageError: the file cannot be read, is something else, or lacks a figure.
    """
    seen = _watched(path)
    alias = max(seen["aliases"].values(), key=lambda each: _first(each.get("requests")) or 0.0)
    connect = _first(alias.get("mean_connect_seconds"), alias.get("earlier_connect_seconds"))
    held, response = alias.get("mean_hold_seconds"), seen.get("mean_response_seconds")
    if connect is None:
        raise UsageError(f"{path}: no connection was opened. Watch for longer, or measure: loadlab run.")
    hold = _first(held, response)
    if hold is None:
        raise UsageError(f"{path} does not say how long requests take. Watch again with this version of loadlab.")
    of_hold = "how long requests hold a connection" if held is not None else "how long requests take, at most held,"
    return Application(
        connect_seconds=Distribution(values=(connect,)),
        hold_seconds=Distribution(values=(hold,)),
        spreads={},
        source=f"the watch in {path}: {of_hold} and how long connecting takes are means, and spreads are not known",
    )


def _watched(path: Path) -> dict[str, Any]:
    try:
        seen: Any = plain_json(read_regular(path, most_bytes=MOST_BYTES))
    except (OSError, DamagedFileError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{path} cannot be read: {why}. Name a file with what loadlab watch --json printed."
        ) from error
    if not isinstance(seen, dict) or not _has_aliases(seen):
        raise UsageError(f"{path} is not what loadlab watch --json prints.")
    if seen.get("invalid") or not seen["aliases"]:
        raise UsageError(f"{path} has no figures: {seen.get('invalid') or 'nothing was counted'}.")
    return seen


def _has_aliases(seen: dict[str, Any]) -> bool:
    aliases = seen.get("aliases")
    return isinstance(aliases, dict) and all(isinstance(alias, dict) for alias in aliases.values())


def _first_known(*figures: float | None) -> float | None:
    return next((one for one in figures if one is not None), None)


def _first(*figures: object) -> float | None:
    """The first that is a number above 0."""
    return next((float(one) for one in figures if isinstance(one, int | float) and one > 0), None)


def spread_of(application: Application, mode: str) -> Spread:
    """How requests spread in one server mode.

    Raises:
        UsageError: it was not measured.
    """
    if mode not in application.spreads:
        have = ", ".join(sorted(application.spreads)) or "none"
        raise UsageError(
            f"{application.source} does not say how requests spread in {mode} (measured: {have}). {_measure(mode)}"
        )
    return application.spreads[mode]
