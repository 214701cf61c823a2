"""What a trial orders of the generator, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.load.contract import NO_RESULT, LoadOrder
from loadlab.model.samples import Failure, Requests, Trial
from loadlab.planning import locustfile
from loadlab.runner.validity import state_of

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.load.contract import LoadResult
    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.samples import Connections, CpuSeconds, Series
    from loadlab.store import Step

BLOCK_SEEDS: Final = 1_000_003  # apart: all cases of a block meet the same arrivals, and no two blocks do


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What was seen of the target; `served` as in a trial, `fault` is what kept it from being seen."""

    connections: Connections
    series: Series
    cpu_seconds: CpuSeconds
    served: int | None = None
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    started: str
    overhead_seconds: dict[str, float]
    load_average: float


def order_for(case: Case, step: Step, plan: Plan, url: str, scratch: Path) -> LoadOrder:
    return LoadOrder(
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


def record(  # noqa: PLR0913, PLR0917  each is a noun of its own
    case: Case, step: Step, plan: Plan, result: LoadResult | None, seen: Seen, circumstances: Circumstances
) -> Trial:
    window = (plan.warmup_seconds, plan.warmup_seconds + plan.window_seconds)
    state, reason = state_of(result, window, is_open=case.open_load is not None)
    if seen.fault and state == "complete":
        state, reason = "invalid", seen.fault
    got = result or NO_RESULT
    return Trial(
        case=case,
        block=step.block,
        order=step.order,
        state=state,
        reason=reason,
        started=circumstances.started,
        window_start=window[0],
        window_end=window[1],
        requests=Requests(
            ended=got.ended,
            response=got.response,
            failed=got.failed,
            due=got.due,
            sent=got.sent,
            dropped=got.dropped,
            no_answer=got.no_answer,
            under_way=got.under_way,
        ),
        failures=tuple(
            Failure(kind=kind, count=count, example=got.examples[kind]) for kind, count in got.failures.items()
        ),
        connections=seen.connections,
        series=seen.series,
        cpu_seconds=seen.cpu_seconds,
        overhead_seconds=circumstances.overhead_seconds,
        load_average=circumstances.load_average,
        busy=got.busy,
        served=seen.served,
        skew_seconds=max(got.skew, default=0.0),
    )
