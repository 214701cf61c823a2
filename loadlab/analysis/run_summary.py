"""What was run, and on what: the plan, how far the run came, and the environment of its sessions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from loadlab.model.caveats import Caveat, CaveatKind, Orders
from loadlab.model.findings import LeftOut, RunSummary
from loadlab.model.samples import measured_for_good
from loadlab.model.session import changes, together
from loadlab.plan.members import incompatible_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.model.config import Scalar
    from loadlab.model.plan import Plan
    from loadlab.model.recorded import RecordedRun
    from loadlab.model.session import LabSession


def run_summary(recorded: RecordedRun, plan: Plan, driver: str) -> RunSummary:
    """What the run set out to do, and how far it has come."""
    schedule, trials = recorded.schedule, recorded.trials
    done = {trial.order for trial in (*measured_for_good(trials), *(one for one in trials if one.state != "failed"))}
    invalid = [trial.reason for trial in trials if trial.state == "invalid"]
    return RunSummary(
        id=schedule.id,
        started=schedule.started,
        seed=plan.seed,
        blocks=plan.blocks,
        min_blocks=plan.min_blocks,
        state="complete" if len(done) == len(schedule.steps) else "incomplete",
        trials_planned=len(schedule.steps),
        trials_done=len(trials),
        trials_spared=sum(one.spared for one in schedule.departures),
        primary_metric=plan.primary_metric,
        equivalence_margin=plan.equivalence_margin,
        warmup_seconds=plan.warmup_seconds,
        window_seconds=plan.window_seconds,
        driver=driver,
        limits=plan.limits,
        trials_invalid=len(invalid),
        invalid_because=next(iter(invalid), ""),
        left_out=tuple(_left_out(plan, driver)),
        damaged=tuple(str(caveat.subject) for caveat in recorded.damaged),
    )


def _left_out(plan: Plan, driver: str) -> Iterator[LeftOut]:
    for one in incompatible_pairs(plan, driver):
        yield LeftOut(server=str(one.server), strategy=str(one.strategy), why=one.why)


def environment_of(recorded: RecordedRun) -> dict[str, dict[str, Scalar]]:
    """On what the trials were measured; a fact that changed between sessions says in which trials."""
    return together([(str(Orders(orders=tuple(of))), session.environment) for session, of in _parts(recorded)])


def driver_of(plan: Plan, environment: dict[str, dict[str, Scalar]]) -> str:
    """A project's own is what was found there; the plan's word is for loadlab's sample app."""
    found = next((str(part["driver"]) for part in environment.values() if part.get("driver")), "")
    return found or plan.driver


def record_caveats(recorded: RecordedRun) -> Iterator[Caveat]:
    """What the records of a run cannot vouch for."""
    yield from _moved(_parts(recorded))
    if not recorded.schedule.key:
        yield Caveat(kind=CaveatKind.NOT_SEALED, subject="run")
    yield from (*recorded.lost_sessions, *recorded.damaged)


def _parts(recorded: RecordedRun) -> list[tuple[LabSession, list[int]]]:
    """Each session with the orders of the trials that it measured; those that measured none say nothing of a trial."""
    measured = [
        (session, [trial.order for trial in recorded.trials if trial.session == session.number])
        for session in recorded.sessions
    ]
    return [part for part in measured if part[1]] or measured[-1:]


def _moved(parts: Sequence[tuple[LabSession, list[int]]]) -> Iterator[Caveat]:
    """What was not the same for all trials."""
    for (before, _), (after, measured) in pairwise(parts):
        if changed := changes(before.environment, after.environment):
            yield Caveat(
                kind=CaveatKind.CHANGED_MEANWHILE,
                subject=Orders(orders=tuple(measured)),
                figures={"changes": tuple(map(str, changed))},
            )
