"""From what a run has recorded to its findings."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from loadlab.analysis.findings import analyse
from loadlab.model.caveats import Caveat, CaveatKind, Orders
from loadlab.model.findings import LeftOut, RunSummary
from loadlab.model.samples import measured_for_good
from loadlab.model.session import changes, together
from loadlab.plan.members import incompatible_pairs
from loadlab.plan.parse import read_measured_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.model.config import Scalar
    from loadlab.model.findings import Findings
    from loadlab.model.plan import Plan
    from loadlab.model.recorded import RecordedRun
    from loadlab.model.samples import Trial
    from loadlab.model.session import Session


def findings_of(recorded: RecordedRun) -> Findings:
    """What a run says, as far as it has come.

    Raises:
        UsageError: its plan cannot be read.
    """
    schedule, trials, damaged = recorded.schedule, recorded.trials, recorded.damaged
    plan = read_measured_plan(recorded.plan, recorded.plan_path)
    parts = _parts(recorded.sessions, trials)
    environment = together([(str(Orders(orders=tuple(of))), session.environment) for session, of in parts])
    driver = _driver(plan, environment)
    done = {trial.order for trial in (*measured_for_good(trials), *(one for one in trials if one.state != "failed"))}
    invalid = [trial.reason for trial in trials if trial.state == "invalid"]
    run = RunSummary(
        id=schedule.id,
        started=schedule.started,
        seed=plan.seed,
        blocks=plan.blocks,
        min_blocks=plan.min_blocks,
        state="complete" if len(done) == len(schedule.steps) else "incomplete",
        trials_planned=len(schedule.steps),
        trials_done=len(trials),
        primary_metric=plan.primary_metric,
        equivalence_margin=plan.equivalence_margin,
        warmup_seconds=plan.warmup_seconds,
        window_seconds=plan.window_seconds,
        driver=driver,
        limits=plan.limits,
        trials_invalid=len(invalid),
        invalid_because=next(iter(invalid), ""),
        left_out=tuple(
            LeftOut(server=str(one.server), strategy=str(one.strategy), why=one.why)
            for one in incompatible_pairs(plan, driver)
        ),
        damaged=tuple(str(caveat.subject) for caveat in damaged),
    )
    unsealed = [] if schedule.key else [Caveat(kind=CaveatKind.NOT_SEALED, subject="run")]
    return analyse(
        run=run,
        environment=environment,
        cases=schedule.cases,
        trials=trials,
        damaged=[*_moved(parts), *unsealed, *recorded.lost_sessions, *damaged],
        restarts=recorded.restarts,
        left=schedule.left,
    )


def _parts(sessions: Sequence[Session], trials: Sequence[Trial]) -> list[tuple[Session, list[int]]]:
    """Each session with the orders of the trials that it measured; those that measured none say nothing of a trial."""
    parts = [(session, [trial.order for trial in trials if trial.session == session.number]) for session in sessions]
    return [part for part in parts if part[1]] or parts[-1:]


def _moved(parts: Sequence[tuple[Session, list[int]]]) -> Iterator[Caveat]:
    """What was not the same for all trials."""
    for (before, _), (after, measured) in pairwise(parts):
        if changed := changes(before.environment, after.environment):
            yield Caveat(
                kind=CaveatKind.CHANGED_MEANWHILE,
                subject=Orders(orders=tuple(measured)),
                figures={"changes": tuple(map(str, changed))},
            )


def _driver(plan: Plan, environment: dict[str, dict[str, Scalar]]) -> str:
    """A project's own is what was found there; the plan's word is for the lab's site."""
    found = next((str(part["driver"]) for part in environment.values() if part.get("driver")), "")
    return found or plan.driver
