"""Builds a trial's load request and its record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loadlab.lab.validity import Disturbance, Validity, validity
from loadlab.load.generator.contract import NO_RESULT, LoadRequest
from loadlab.model.counts import ConnectionCounts
from loadlab.model.samples import Connections, CpuSeconds, Failure, Series, Trial
from loadlab.plan.scenarios import locustfile

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.schedule import Step
    from loadlab.model.window import Window

BLOCK_SEEDS: Final = 1_000_003  # apart: all cases of a block meet the same arrivals, and no two blocks do


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What was seen of the target; `served` as in a trial, `disturbances` are what came in between."""

    connections: Connections
    series: Series
    cpu_seconds: CpuSeconds
    quantities: dict[str, float] = field(default_factory=dict)
    served: int | None = None
    disturbances: tuple[Disturbance, ...] = ()


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


def record(  # noqa: PLR0913, PLR0917  each is a separate noun
    case: Case, step: Step, plan: Plan, result: LoadResult | None, seen: Seen, meta: TrialMeta
) -> Trial:
    judged = validity(result, plan.window, is_open=case.open_load is not None, disturbances=seen.disturbances)
    return _trial(case, step, plan.window, result or NO_RESULT, seen, meta, judged)


def interrupted(case: Case, step: Step, plan: Plan, lost: Disturbance, meta: TrialMeta) -> Trial:
    """A trial of which nothing but its end is known."""
    nothing = ConnectionCounts()
    seen = Seen(
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
    )
    return _trial(
        case,
        step,
        plan.window,
        NO_RESULT,
        seen,
        meta,
        Validity(state="invalid", reason=lost.reason, causes=(lost.cause,)),
    )


def _trial(  # noqa: PLR0913, PLR0917  each is a separate noun
    case: Case,
    step: Step,
    window: Window,
    got: LoadResult,
    seen: Seen,
    meta: TrialMeta,
    judged: Validity,
) -> Trial:
    return Trial(
        case=case,
        block=step.block,
        order=step.order,
        state=judged.state,
        reason=judged.reason,
        by_target=judged.by_target,
        causes=judged.causes,
        started=meta.started,
        window_start=window.start,
        window_end=window.end,
        requests=got.requests,
        failures=tuple(
            Failure(kind=kind, count=count, example=got.examples[kind], status=got.statuses.get(kind, 0))
            for kind, count in got.failures.items()
        ),
        connections=seen.connections,
        series=seen.series,
        cpu_seconds=seen.cpu_seconds,
        quantities=seen.quantities,
        overhead_seconds=meta.overhead_seconds,
        load_average=meta.load_average,
        busy=got.busy,
        served=seen.served,
        skew_seconds=max(got.skew, default=0.0),
    )
