"""The next trial's site boots while a trial is recorded: both are measured and counted as if it had not."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from modes import USUAL
from patience import await_that

from loadlab.instrumentation.counters import CounterSet
from loadlab.lab.project import Project
from loadlab.lab.served_target import ServedTarget
from loadlab.lab.trial import run_trial
from loadlab.model.case import Case
from loadlab.model.condition import OpenLoad
from loadlab.model.config import Config
from loadlab.model.schedule import Step
from loadlab.plan.members import build_server, config_of, usable_connections
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.lab import Lab

USERS = 4
QUIET = [name for name in USUAL if build_server(config_of(SERVERS, name, {}, "server")).quiet_boot]
FIRST_ORDER = 7000  # orders that no other test of the session has


@pytest.fixture
def target(lab: Lab) -> Iterator[ServedTarget]:
    with closing(ServedTarget(lab=lab)) as made:
        yield made


def case(mode: str = "sync", **changes: Any) -> Case:
    server, strategy = config_of(SERVERS, mode, {}, "server"), Config(name="max_age", parameters={"max_age": None})
    usual: dict[str, Any] = {"server": server, "strategy": strategy, "scenario": "read_one", "users": USERS}
    usual |= {"keep_alive": False, "usable_connections": usable_connections(server, strategy, USERS)}
    return Case(**usual | changes)


def steps(first: int, count: int) -> list[Step]:
    return [Step(order=FIRST_ORDER + first + number, block=number, case=0) for number in range(count)]


def programs() -> set[psutil.Process]:
    return set(psutil.Process().children())


def booted(target: ServedTarget, step: Step, one: Case) -> bool:
    return CounterSet(target.ledgers(step)).read().processes == build_server(one.server).processes()


OPEN = OpenLoad(rate=40.0, arrivals="poisson")


def modes_and_loads() -> list[Any]:
    """An open load, whose next site boots when its last request is answered, does not depend on the mode."""
    slow = {mode: [pytest.mark.slow] if mode != "gthread" else [] for mode in QUIET}
    closed = [pytest.param(mode, None, id=f"{mode}-closed") for mode in QUIET]
    return [*closed, *(pytest.param(mode, OPEN, id=f"{mode}-open", marks=slow[mode]) for mode in QUIET)]


@pytest.mark.parametrize(("mode", "load"), modes_and_loads())
def test_trials_on_sites_booted_ahead_count_exactly(lab: Lab, target: ServedTarget, mode: str, load: Any) -> None:
    one = case(mode, open_load=load)
    first, second = steps(100 * QUIET.index(mode) + 10 * bool(load), 2)
    earlier = len(lab.register._started)
    before = run_trial(one, first, lab, target, (one, second))
    await_that(lambda: booted(target, second, one), "the second trial's site never boots")
    after = run_trial(one, second, lab, target)
    for trial in (before, after):
        assert (trial.connections.mismatches, trial.connections.judged) == ((), True)
        assert trial.connections.after_stop.opened == trial.connections.sessions > 0
    started = [program.name for program in lab.register._started[earlier:]]
    assert started.count(mode) == 2, "the second trial did not run on the site that was there"


def test_trials_behind_a_pooler_that_was_started_ahead_count_exactly(lab: Lab, target: ServedTarget) -> None:
    pooled = config_of(STRATEGIES, "pgbouncer", {"pool_size": 2}, "strategy")
    one, (first, second) = case("gthread", strategy=pooled), steps(1050, 2)
    before = run_trial(case("gthread"), first, lab, target, (one, second))
    await_that(lambda: booted(target, second, one), "the second trial's site never boots")
    assert lab.judge.open_now() == 0
    after = run_trial(one, second, lab, target)
    for trial in (before, after):
        assert (trial.connections.mismatches, trial.connections.judged) == ((), True)
    assert after.connections.pooler is not None


def test_a_site_whose_trial_does_not_come_ends(target: ServedTarget) -> None:
    before, (never, comes) = programs(), steps(1000, 2)
    target.prepare(case(), never)
    (unused,) = programs() - before
    with target.serve(case("gthread"), comes) as running:
        assert not unused.is_running()
        running.stop(running.sample("at rest"))
    assert not programs() - before


@pytest.mark.parametrize("mode", QUIET)
def test_a_server_with_a_quiet_boot_connects_with_the_first_request(target: ServedTarget, mode: str) -> None:
    step, one = steps(1040 + QUIET.index(mode), 1)[0], case(mode)
    with target.serve(one, step) as running:
        at_rest = running.sample("before any request")
        assert (at_rest.counts.opened, at_rest.counts.unsettled, at_rest.counts.connect_errors) == (0, 0, {})
        running.stop(at_rest)


def test_closing_a_target_ends_what_was_prepared(target: ServedTarget) -> None:
    before = programs()
    target.prepare(case(), *steps(1010, 1))
    assert programs() - before
    target.close()
    assert not programs() - before


def test_a_server_that_cannot_boot_fails_in_its_own_trial(lab: Lab, target: ServedTarget) -> None:
    lost = Project(python=str(Path(lab.scratch, "no-such-python")))
    broken, (step,) = replace(target, lab=replace(lab, project=lost)), steps(1020, 1)
    broken.prepare(case(), step)
    with pytest.raises(Exception, match="no-such-python"), broken.serve(case(), step):
        pass


@pytest.mark.parametrize(
    ("one", "plan", "project"),
    [
        (case(round_trip_ms=1.0), {}, {}),
        (case(), {"faults": {"added_latency": {"round_trip_ms": 1.0}}}, {}),
        (case(), {}, {"info": object()}),
        (case("threaded"), {}, {}),
    ],
    ids=["added latency", "a fault", "a project", "a server that connects as it boots"],
)
def test_what_might_reach_into_the_present_trial_is_not_prepared(
    lab: Lab, target: ServedTarget, one: Case, plan: Any, project: Any
) -> None:
    before, (step,) = programs(), steps(1030, 1)
    changed = replace(lab, plan=replace(lab.plan, **plan), project=replace(lab.project, **project))
    replace(target, lab=changed).prepare(one, step)
    assert not programs() - before
