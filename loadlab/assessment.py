"""From a run folder to its findings, finished or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.analysis import analyse
from loadlab.model.findings import LeftOut, RunSummary
from loadlab.planning import misfits, read_measured_plan

if TYPE_CHECKING:
    from loadlab.model.case import Scalar
    from loadlab.model.findings import Findings
    from loadlab.model.plan import Plan
    from loadlab.store import RunFolder


def findings_of(folder: RunFolder) -> Findings:
    """What a run says, as far as it has come.

    Raises:
        UsageError: the folder's plan or schedule cannot be read.
    """
    schedule = folder.schedule()
    plan = read_measured_plan(folder.plan(), str(folder.path / "plan.toml"))
    trials, damaged = folder.trials()
    environment = folder.environment()
    driver = _driver(plan, environment)
    measured = sum(trial.state != "failed" for trial in trials)
    invalid = [trial.reason for trial in trials if trial.state == "invalid"]
    run = RunSummary(
        id=schedule.id,
        started=schedule.started,
        seed=plan.seed,
        blocks=plan.blocks,
        state="complete" if measured == len(schedule.steps) else "incomplete",
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
            LeftOut(server=str(one.server), strategy=str(one.strategy), why=one.why) for one in misfits(plan, driver)
        ),
    )
    return analyse(
        run=run,
        environment=environment,
        cases=schedule.cases,
        trials=trials,
        damaged=damaged,
        restarts=folder.restarts(),
    )


def _driver(plan: Plan, environment: dict[str, dict[str, Scalar]]) -> str:
    """A project's own is what was found there; the plan's word is for the lab's site."""
    found = next((str(part["driver"]) for part in environment.values() if part.get("driver")), "")
    return found or plan.driver
