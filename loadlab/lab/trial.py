"""One trial: a target that is ready, one load, and both sides' counts."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from loadlab.lab.faulting import faulted
from loadlab.lab.following import Follower
from loadlab.lab.hopeless import nothing_succeeded
from loadlab.lab.quantities import summed_up
from loadlab.lab.record import Seen, TrialMeta, load_request, record
from loadlab.lab.sampler import Sampler
from loadlab.lab.settling import settled, sleep_until
from loadlab.lab.ticking import Ticking
from loadlab.lab.validity import LEAST_UNSEEN_SECONDS, Disturbance, stood_still
from loadlab.model.causes import Cause
from loadlab.model.growth import sessions_between
from loadlab.model.metrics import CPU_SECONDS
from loadlab.model.samples import Connections, CpuSeconds, Pooler
from loadlab.probes import quantities
from loadlab.probes.sessions import RESET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadlab.lab.generator import RunningLoad
    from loadlab.lab.lab import Lab
    from loadlab.lab.target import RunningTarget, Sample, Sampling, Target
    from loadlab.load.generator.contract import LoadResult
    from loadlab.load.generator.ticker import Pause
    from loadlab.model.case import Case
    from loadlab.model.counts import ConnectionCounts
    from loadlab.model.plan import Plan
    from loadlab.model.samples import Series, Trial
    from loadlab.model.schedule import Step
    from loadlab.model.window import Window

ANSWER_SECONDS: Final = 75.0  # beyond the window: for the load to end, the target to be at rest, the database to answer


@dataclass(frozen=True, kw_only=True, slots=True)
class _Observed:
    """What was seen of a load from outside: at the edges of the window, and at rest."""

    start: Sample
    end: Sample
    at_rest: Sample
    by_alias: dict[str, ConnectionCounts]
    result: LoadResult | None
    series: Series
    settle_seconds: float
    disturbances: tuple[Disturbance, ...]


def run_trial(case: Case, step: Step, lab: Lab, target: Target) -> Trial:
    """Measure one case once.

    Raises:
        EnvironmentFaultError: the target or the generator does not start.
        psycopg2.Error: the database is gone.
    """
    begun = time.monotonic()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    load_average = os.getloadavg()[0]
    with target.serve(case, step) as running:
        booted = time.monotonic()
        follower = _follower(step, running, lab)
        with faulted(lab.plan, "before_window", running.fault_context):
            drive = lab.generator.begin(load_request(case, step, lab.plan, running.url, lab.scratch))
            observed = _observe(running, drive, lab.plan, follower)
        _explain(running, step, observed.result, lab)
        stopping = time.monotonic()
        after_stop = running.stop(observed.at_rest)
    overhead = {
        "boot": booted - begun,
        "load_start": drive.started - booted,
        "settle": observed.settle_seconds,
        "stop": time.monotonic() - stopping,
    }
    meta = TrialMeta(started=started, overhead_seconds=overhead, load_average=load_average)
    seen = _seen(running, observed, after_stop, lab.plan)
    trial = record(case, step, lab.plan, observed.result, seen, meta)
    if follower is not None:
        follower.ended(trial)
    return trial


def _follower(step: Step, running: RunningTarget, lab: Lab) -> Follower | None:
    if lab.follow is None:
        return None
    sessions, most = running.before.sessions, running.max_connections
    return Follower(tell=lab.follow, order=step.order, sessions=sessions, max_connections=most)


def _explain(running: RunningTarget, step: Step, result: LoadResult | None, lab: Lab) -> None:
    if result is not None and nothing_succeeded(result) and (why := running.explanation(result)):
        lab.explanations[step.order] = why


def _observe(running: RunningTarget, drive: RunningLoad, plan: Plan, follower: Follower | None) -> _Observed:
    """Watch a load from its start until all is at rest."""
    window = plan.window
    with (
        running.observing(drive.pid, window.end + ANSWER_SECONDS) as sampling,
        Ticking() as ticking,
        _sampler(running, sampling, drive, follower) as sampler,
    ):
        sleep_until(drive.started + window.start)
        start = running.sample("at the start of the window")
        sleep_until(drive.started + (window.start + window.end) / 2)
        with faulted(plan, "at_instant", running.fault_context):
            sleep_until(drive.started + window.end)
        lost = running.lost()
        end = running.sample("at the end of the window")
        result = drive.wait()
        ended = time.monotonic()
        # The server still answers what its clients have asked before they went, and a closed backend takes a moment.
        at_rest = settled(running.sides, running.agrees, running.patience)
        by_alias = running.by_alias()
        settle_seconds = time.monotonic() - ended
    pause = ticking.longest(*window.after(drive.started))
    return _Observed(
        start=start,
        end=end,
        at_rest=at_rest,
        by_alias=by_alias,
        result=result,
        series=sampler.series(),
        settle_seconds=settle_seconds,
        disturbances=(*lost, *_still(pause, window), *running.unseen(sampler, window)),
    )


def _still(pause: Pause, window: Window) -> list[Disturbance]:
    told = stood_still("loadlab itself", [pause], window, LEAST_UNSEEN_SECONDS)
    return [Disturbance(Cause.LAB_STOOD_STILL, told)] if told else []


def _sampler(running: RunningTarget, sampling: Sampling, drive: RunningLoad, follower: Follower | None) -> Sampler:
    def follow(highest: Mapping[str, float]) -> None:
        if follower is not None:
            now = sampling.latest()
            follower.seen(now.values, highest, now.counts - running.before.counts, now.pooler, drive.counts())

    return Sampler(sampling.levels, drive.started, follow if follower else None, running.rate)


def _seen(running: RunningTarget, observed: _Observed, after_stop: Sample, plan: Plan) -> Seen:
    return Seen(
        connections=_connections(running, observed, after_stop),
        series=observed.series,
        cpu_seconds=_cpu(observed, plan),
        quantities=summed_up(observed.start.values, observed.end.values, observed.series, plan.window),
        served=None if running.stops else _served(running.before, observed.at_rest),
        disturbances=observed.disturbances,
    )


def _connections(running: RunningTarget, observed: _Observed, after_stop: Sample) -> Connections:
    """What was counted since before the load, at both ends."""
    before, at_rest = running.before, observed.at_rest
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
        stopped=running.stops,
        by_alias=observed.by_alias,
    )


def _pooler(at_rest: Sample, after_stop: Sample) -> Pooler | None:
    if at_rest.pooler is None or after_stop.pooler is None:
        return None
    return Pooler(at_rest=at_rest.pooler, after_stop=after_stop.pooler)


def _served(before: Sample, at_rest: Sample) -> int:
    """How many requests the target has had; where it counts none, those that used the database are the least."""
    if before.answered is not None and at_rest.answered is not None:
        return at_rest.answered - before.answered
    return at_rest.counts.requests - before.counts.requests


def _cpu_quantities() -> Iterator[tuple[str, str]]:
    """Each part of the machinery whose CPU time a probe reads, and what the quantity is called."""
    return ((one.labels[0], one.name) for one in quantities().values() if one.metric is CPU_SECONDS)


def _cpu(observed: _Observed, plan: Plan) -> CpuSeconds:
    """Of all process trees that the lab can see; load processes on other hosts tell it themselves."""
    start, end, result = observed.start.values, observed.end.values, observed.result
    spent = {part: end[name] - start[name] for part, name in _cpu_quantities() if name in start}
    told = sum(result.busy) * plan.window_seconds if result else None
    unseen = plan.load.expect_workers or "generator" not in spent
    return CpuSeconds(
        app=spent.get("app"),
        database=spent.get("database"),
        generator=told if unseen and told is not None else spent.get("generator", 0.0),
        pooler=spent.get("pooler", 0.0),
        proxy=spent.get("proxy", 0.0),
    )
