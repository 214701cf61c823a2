"""Trials under an open load and from several load processes, on a real server and a real PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from family import below
from patience import PATIENCE_SECONDS, await_that
from pydantic import TypeAdapter

from loadlab.analysis.trials import summarise
from loadlab.lab.record import BLOCK_SEEDS
from loadlab.lab.served_target import ServedTarget
from loadlab.lab.trial import run_trial
from loadlab.load.locust_plugins.arrivals import arrivals
from loadlab.model.case import Case
from loadlab.model.condition import OpenLoad
from loadlab.model.samples import Trial
from loadlab.model.schedule import Step
from loadlab.plan.members import config_of, usable_connections
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from laboratory import TrialRunner

    from loadlab.lab.lab import Lab

RATE = 40.0
RECORD = TypeAdapter(Trial)
BURNS = Path(__file__).parent.parent / "load" / "burns.py"


def case_of(server: str, *, users: int, open_load: OpenLoad | None, **parameters: Any) -> Case:
    choice = config_of(SERVERS, server, parameters, "server")
    strategy = config_of(STRATEGIES, "max_age", {"max_age": 60}, "strategy")
    return Case(
        server=choice,
        strategy=strategy,
        scenario="read_one",
        users=users,
        keep_alive=False,
        usable_connections=usable_connections(choice, strategy, users),
        open_load=open_load,
    )


def measured(lab: Lab, case: Case, *, workers: int = 1, window_seconds: float = 1.0, block: int = 0) -> Trial:
    plan = replace(lab.plan, load_workers=workers, window_seconds=window_seconds)
    changed = replace(lab, plan=plan)
    return run_trial(case, Step(order=9000, block=block, case=0), changed, ServedTarget(lab=changed))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_open_trial_sends_exactly_its_schedule(lab: Lab, workers: int) -> None:
    load = OpenLoad(rate=RATE, arrivals="poisson")
    trial = measured(lab, case_of("gthread", users=40, open_load=load), workers=workers, block=3)
    end = trial.window_end
    due = list(takewhile(lambda instant: instant < end, arrivals(load, lab.plan.seed + 3 * BLOCK_SEEDS)))
    assert sorted([*trial.requests.due, *trial.requests.dropped]) == pytest.approx(due, abs=1e-9)
    assert not trial.failures
    assert trial.connections.exact
    # Whether it is complete depends on how quiet the machine is; if it is not, that is the reason.
    assert trial.state == "complete" or "sent late" in trial.reason or "dropped" in trial.reason
    summary = summarise(trial)
    assert summary.requests == sum(instant >= trial.window_start for instant in trial.requests.due)
    assert RECORD.validate_json(RECORD.dump_json(trial)).requests.sent == trial.requests.sent


def test_a_server_too_slow_for_the_rate_invalidates_an_open_trial(lab: Lab) -> None:
    # One worker, and two requests at once at the most: more than the machine can answer.
    case = case_of("sync", users=2, open_load=OpenLoad(rate=3000.0, arrivals="uniform"), workers=1)
    trial = measured(lab, case)
    assert trial.state == "invalid"
    assert "tasks that were due" in trial.reason
    assert summarise(trial).dropped > 0
    assert trial.connections.exact


def test_a_killed_load_process_invalidates_the_trial_and_leaves_no_orphan(lab: Lab, trial: TrialRunner) -> None:
    program = lab.generator._program
    assert program is not None
    seen: list[psutil.Process] = []

    def kill_one() -> None:
        await_that(lambda: len(below(program.pid, recursive=True)) >= 4)
        seen.extend(below(program.pid, recursive=True))
        (leader,) = below(program.pid)
        below(leader.pid)[1].kill()

    killing = threading.Thread(target=kill_one)
    killing.start()
    done = measured(lab, case_of("gthread", users=6, open_load=None), workers=3, window_seconds=2.0)
    killing.join()
    assert done.state == "invalid"
    assert done.reason.startswith("load process 2 of 3 was ended by SIGKILL")
    assert done.connections.exact
    assert len(done.busy) == 2
    assert not psutil.wait_procs(seen, PATIENCE_SECONDS)[1]
    assert not list(lab.scratch.glob("load.json*"))
    # And the next trial is as good as any.
    next_one = trial.changed(plan=replace(lab.plan, load_workers=3))("gthread", max_age=60)
    assert (next_one.state, next_one.reason) == ("complete", "")


@pytest.mark.slow
@pytest.mark.usefixtures("one_try")
def test_a_generator_that_needs_a_whole_core_makes_its_trial_invalid(trial: TrialRunner) -> None:
    """Where it gets one, by its CPU time; on a busy machine by its pauses, or by users who are not in requests."""
    result = trial("sync", scenario=str(BURNS), users=1, window_seconds=3.0)
    assert result.state == "invalid"
    assert "the generator" in result.reason
