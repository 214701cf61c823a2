"""One trial: a target that is ready, one load, and both sides' counts."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from loadlab.lab.faulting import faulted
from loadlab.lab.following import Follower
from loadlab.lab.happening import Happening, under
from loadlab.lab.hopeless import nothing_succeeded
from loadlab.lab.quiet_spells import quiet_spells
from loadlab.lab.record import Observed, TrialMeta, burst_request, load_request, record
from loadlab.lab.sampler import Sampler
from loadlab.lab.settling import settled, sleep_until
from loadlab.lab.ticking import Ticking
from loadlab.lab.validity import LEAST_UNSEEN_SECONDS, Disturbance, stood_still
from loadlab.model.causes import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadlab.lab.generator import RunningLoad
    from loadlab.lab.lab import Lab
    from loadlab.lab.target import RunningTarget, Sample, Sampling, Target
    from loadlab.load.generator.contract import LoadResult
    from loadlab.load.generator.ticker import Pause
    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.planned_fault import FaultSeen
    from loadlab.model.samples import Trial
    from loadlab.model.schedule import Step
    from loadlab.model.window import Window

ANSWER_SECONDS: Final = 75.0  # beyond the window: for the load to end, the target to be at rest, the database to answer


@dataclass(frozen=True, slots=True)
class _Preparation:
    """Prepares the target for the following trial as soon as nothing of this one is timed any more."""

    case: Case
    target: Target
    following: tuple[Case, Step] | None

    def window_ended(self) -> None:
        if self.case.open_load is None:
            self._prepare()

    def load_ended(self) -> None:
        """A request of an open load belongs to the window by when it was due, and may be answered after it."""
        if self.case.open_load is not None:
            self._prepare()

    def _prepare(self) -> None:
        if self.following is not None:
            self.target.prepare(*self.following)


@dataclass(frozen=True, kw_only=True, slots=True)
class _UnderLoad:
    """What was read from the start of the window until all was at rest."""

    start: Sample
    end: Sample
    at_rest: Sample
    fault: FaultSeen | None
    lost: Sequence[Disturbance]
    result: LoadResult | None
    settle_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Observation:
    """Watches one load; `burst` begins another one after a quiet spell, `happening` is the fault of the case."""

    running: RunningTarget
    drive: RunningLoad
    plan: Plan
    follower: Follower | None
    preparation: _Preparation
    burst: Callable[[], RunningLoad]
    happening: Happening | None

    def until_rest(self) -> Observed:
        """From the load's start until all is at rest, also after quiet spells."""
        running, window = self.running, self.plan.window
        with (
            running.observing(self.drive.pid, window.end + ANSWER_SECONDS) as sampling,
            Ticking() as ticking,
            self._sampler(sampling) as sampler,
        ):
            load = self._under_load()
        spells = quiet_spells(load.at_rest, load.result, running, self.plan.quiet_spells, self.burst)
        still = _still(ticking.longest(*window.after(self.drive.started)), window)
        return Observed(
            before=running.before,
            start=load.start,
            end=load.end,
            at_rest=spells.at_rest,
            bursts=spells.bursts,
            by_alias=running.by_alias(),
            result=load.result,
            series=sampler.series(),
            settle_seconds=load.settle_seconds,
            stopped=running.stops,
            disturbances=(*load.lost, *still, *spells.lost, *self._unseen(sampler, load.fault)),
            fault=load.fault,
        )

    def _under_load(self) -> _UnderLoad:
        running = self.running
        sleep_until(self.drive.started + self.plan.window.start)
        start = running.sample("at the start of the window")
        fault = self._through_window()
        lost = running.lost()
        end = running.sample("at the end of the window")
        self.preparation.window_ended()
        result = self.drive.wait()
        self.preparation.load_ended()
        ended = time.monotonic()
        # The server still answers what its clients have asked before they went, and a closed backend takes a moment.
        at_rest = settled(running.sides, running.agrees, running.patience)
        settle_seconds = time.monotonic() - ended
        return _UnderLoad(
            start=start,
            end=end,
            at_rest=at_rest,
            fault=fault,
            lost=lost,
            result=result,
            settle_seconds=settle_seconds,
        )

    def _through_window(self) -> FaultSeen | None:
        """Do what is planned until the end of the window; returns when the fault of the case came."""
        window, started = self.plan.window, self.drive.started
        seen = self.happening.within(window) if self.happening else None
        sleep_until(started + (window.start + window.end) / 2)
        with faulted(self.plan, "at_instant", self.running.fault_context):
            sleep_until(started + window.end)
        if self.happening:
            self.running.reconnect()
        return seen

    def _sampler(self, sampling: Sampling) -> Sampler:
        running, drive, follower = self.running, self.drive, self.follower

        def follow(highest: Mapping[str, float]) -> None:
            if follower is not None:
                now = sampling.latest()
                follower.seen(now.values, highest, now.counts - running.before.counts, now.pooler, drive.counts())

        return Sampler(sampling.levels, drive.started, follow if follower else None, running.rate)

    def _unseen(self, sampler: Sampler, seen: FaultSeen | None) -> list[Disturbance]:
        """What kept the lab from seeing the target; while a fault lasts, that may be what it does."""
        window = self.plan.window
        fault = under(self.happening.planned, seen) if self.happening else None
        parts = fault.seen(window) if fault else [window]
        return [one for part in parts for one in self.running.unseen(sampler, part)]


def run_trial(case: Case, step: Step, lab: Lab, target: Target, following: tuple[Case, Step] | None = None) -> Trial:
    """Measure one case once; the target is prepared for the trial that is `following`, once the window is over.

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
            observation = _Observation(
                running=running,
                drive=drive,
                plan=lab.plan,
                follower=follower,
                preparation=_Preparation(case, target, following),
                burst=partial(lab.generator.begin, burst_request(case, step, lab.plan, running.url, lab.scratch)),
                happening=_happening(case, step, running, lab, drive),
            )
            observed = observation.until_rest()
        _explain(running, step, observed.result, lab)
        stopping = time.monotonic()
        after_stop = running.stop(observed.at_rest)
        uses = running.uses(drive.started + lab.plan.window.start)
    overhead = {
        "boot": booted - begun,
        "load_start": drive.started - booted,
        "settle": observed.settle_seconds,
        "stop": time.monotonic() - stopping,
    }
    meta = TrialMeta(started=started, overhead_seconds=overhead, load_average=load_average)
    trial = replace(record(case, step, lab.plan, observed, after_stop, meta), uses=uses)
    if follower is not None:
        follower.ended(trial)
    return trial


def _follower(step: Step, running: RunningTarget, lab: Lab) -> Follower | None:
    if lab.follow is None:
        return None
    sessions, most = running.before.sessions, running.max_connections
    return Follower(tell=lab.follow, order=step.order, sessions=sessions, max_connections=most)


def _happening(case: Case, step: Step, running: RunningTarget, lab: Lab, drive: RunningLoad) -> Happening | None:
    """What comes to the case within the window; None if nothing does."""
    context = running.fault_context
    if case.fault is None or context is None:
        return None
    return Happening(planned=case.fault, context=context, origin=drive.started, order=step.order, tell=lab.follow)


def _explain(running: RunningTarget, step: Step, result: LoadResult | None, lab: Lab) -> None:
    if result is not None and nothing_succeeded(result) and (why := running.explanation(result)):
        lab.explanations[step.order] = why


def _still(pause: Pause, window: Window) -> list[Disturbance]:
    told = stood_still("loadlab itself", [pause], window, LEAST_UNSEEN_SECONDS)
    return [Disturbance(Cause.LAB_STOOD_STILL, told)] if told else []
