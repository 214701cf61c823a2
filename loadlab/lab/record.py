"""Builds a trial's load request and its record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from loadlab.lab.happening import fault_of, not_in_time, under
from loadlab.lab.quantities import summed_up
from loadlab.lab.validity import Disturbance, Validity, validity
from loadlab.load.generator.contract import NO_RESULT, LoadRequest
from loadlab.model.counts import ConnectionCounts
from loadlab.model.growth import sessions_between
from loadlab.model.metrics import CPU_SECONDS
from loadlab.model.requests import NO_REQUESTS
from loadlab.model.samples import Burst, Connections, CpuSeconds, Failure, PoolerRecord, Series, Trial
from loadlab.plan.scenarios import locustfile
from loadlab.probes import quantities
from loadlab.probes.sessions import RESET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.lab.target import Sample
    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.planned_fault import FaultSeen
    from loadlab.model.schedule import Step

BLOCK_SEEDS: Final = 1_000_003  # apart: all cases of a block meet the same arrivals, and no two blocks do


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """What was seen of a load from outside: before it, at the edges of the window, and at rest.

    `stopped` is as in `Connections`, `disturbances` are what came in between, and `result` is what the generator has
    seen; None if it did not end its load. `bursts` are what was seen at rest after each, and how many requests it had.
    `fault` is when that of the case came.
    """

    before: Sample
    start: Sample
    end: Sample
    at_rest: Sample
    by_alias: dict[str, ConnectionCounts]
    result: LoadResult | None
    series: Series
    settle_seconds: float
    stopped: bool
    disturbances: tuple[Disturbance, ...]
    bursts: tuple[tuple[Sample, int], ...] = ()
    fault: FaultSeen | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialMeta:
    started: str
    overhead_seconds: dict[str, float]
    load_average: float


def load_request(case: Case, step: Step, plan: Plan, url: str, scratch: Path) -> LoadRequest:
    return LoadRequest(
        locustfile=str(locustfile(case.scenario)),
        host=url,
        users=case.users,
        keep_alive=case.keep_alive,
        warmup_seconds=plan.warmup_seconds,
        window_seconds=plan.window_seconds,
        result=str(scratch / "load.json"),
        open_load=case.open_load,
        seed=plan.seed + BLOCK_SEEDS * step.block,
        processes=plan.load_processes,
    )


def burst_request(case: Case, step: Step, plan: Plan, url: str, scratch: Path) -> LoadRequest:
    """The same load once more, for a burst after a quiet spell."""
    request = load_request(case, step, plan, url, scratch)
    return replace(request, warmup_seconds=0.0, window_seconds=plan.quiet_spells.burst_seconds)


def record(  # noqa: PLR0913, PLR0917  each is a separate noun
    case: Case, step: Step, plan: Plan, observed: Observed, after_stop: Sample, meta: TrialMeta
) -> Trial:
    """The trial as it is kept; `after_stop` was counted when the target had ended."""
    result, is_open = observed.result, case.open_load is not None
    disturbances = (*not_in_time(observed.fault, plan.window), *observed.disturbances)
    fault = under(case.fault, observed.fault)
    judged = validity(result, plan.window, is_open=is_open, disturbances=disturbances, fault=fault)
    got = result or NO_RESULT
    return replace(
        _unmeasured(case, step, plan, judged, meta),
        requests=got.requests,
        failures=tuple(
            Failure(kind=kind, count=count, example=got.examples[kind], status=got.statuses.get(kind, 0))
            for kind, count in got.failures.items()
        ),
        connections=_connections(observed, after_stop, case),
        series=observed.series,
        cpu_seconds=_cpu(observed, plan),
        quantities=summed_up(observed.start.values, observed.end.values, observed.series, plan.window),
        busy=got.busy,
        served=None if observed.stopped else _served(observed.before, observed.at_rest),
        skew_seconds=max(got.skew, default=0.0),
        fault_seen=observed.fault,
    )


def interrupted(case: Case, step: Step, plan: Plan, lost: Disturbance, meta: TrialMeta) -> Trial:
    """A trial of which nothing but its end is known."""
    judged = Validity(state="invalid", reason=lost.reason, causes=(lost.cause,))
    return _unmeasured(case, step, plan, judged, meta)


def _unmeasured(case: Case, step: Step, plan: Plan, judged: Validity, meta: TrialMeta) -> Trial:
    """A trial without any observation."""
    nothing = ConnectionCounts()
    return Trial(
        case=case,
        block=step.block,
        order=step.order,
        state=judged.state,
        reason=judged.reason,
        by_target=judged.by_target,
        causes=judged.causes,
        started=meta.started,
        window_start=plan.window.start,
        window_end=plan.window.end,
        requests=NO_REQUESTS,
        failures=(),
        connections=Connections(
            window_start=nothing,
            window_end=nothing,
            at_rest=nothing,
            after_stop=nothing,
            left_open=None,
            sessions=None,
        ),
        series=Series(at=[], values={}),
        cpu_seconds=CpuSeconds(app=None, database=None, generator=0.0),
        overhead_seconds=meta.overhead_seconds,
        load_average=meta.load_average,
    )


def _connections(observed: Observed, after_stop: Sample, case: Case) -> Connections:
    """What was counted since before the load, at both ends."""
    before, at_rest = observed.before, observed.at_rest
    sessions = sessions_between(before.values, after_stop.values)
    asked = before.sessions is not None and after_stop.sessions is not None
    return Connections(
        window_start=observed.start.counts - before.counts,
        window_end=observed.end.counts - before.counts,
        at_rest=at_rest.counts - before.counts,
        after_stop=after_stop.counts - before.counts,
        left_open=at_rest.backends,
        sessions=sessions,
        unjudged=RESET if asked and sessions is None else "",
        pooler=_pooler(at_rest, after_stop),
        open_before=before.counts.open,
        stopped=observed.stopped,
        left_behind=at_rest.left_behind,
        abandoned=at_rest.abandoned,
        unheard=_unheard(sessions, after_stop.counts - before.counts, case),
        by_alias=observed.by_alias,
        bursts=tuple(Burst(counts=at.counts - before.counts, requests=count) for at, count in observed.bursts),
    )


def _unheard(sessions: int | None, counts: ConnectionCounts, case: Case) -> int:
    """Sessions that were ready when their client had given up; only a fault of the network keeps it from knowing."""
    if sessions is None or case.fault is None or not fault_of(case.fault).through_proxy:
        return 0
    return min(max(0, sessions - counts.opened), sum(counts.connect_errors.values()))


def _pooler(at_rest: Sample, after_stop: Sample) -> PoolerRecord | None:
    if at_rest.pooler is None or after_stop.pooler is None:
        return None
    return PoolerRecord(at_rest=at_rest.pooler, after_stop=after_stop.pooler)


def _served(before: Sample, at_rest: Sample) -> int:
    """How many requests the target has had; where it counts none, those that used the database are the least."""
    if before.answered is not None and at_rest.answered is not None:
        return at_rest.answered - before.answered
    return at_rest.counts.requests - before.counts.requests


def _cpu_quantities() -> Iterator[tuple[str, str]]:
    """Each part of the machinery whose CPU time a probe reads, and what the quantity is called."""
    return ((one.labels[0], one.name) for one in quantities().values() if one.metric is CPU_SECONDS)


def _cpu(observed: Observed, plan: Plan) -> CpuSeconds:
    """Of all process trees that the lab can see; load processes on other hosts tell it themselves.

    What a tree has used that was gone at the end of the window, or was another then, is not known.
    """
    start, end, result = observed.start.values, observed.end.values, observed.result
    both = [(part, name) for part, name in _cpu_quantities() if name in start and name in end]
    spent = {part: end[name] - start[name] for part, name in both if end[name] >= start[name]}
    told = sum(result.busy) * plan.window_seconds if result else None
    unseen = plan.load.expect_workers or "generator" not in spent
    return CpuSeconds(
        app=spent.get("app"),
        database=spent.get("database"),
        generator=told if unseen and told is not None else spent.get("generator", 0.0),
        pooler=spent.get("pooler", 0.0),
        proxy=spent.get("proxy", 0.0),
    )
