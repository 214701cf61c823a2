"""The faults of a plan at an instant: each makes one more case of every case in which it can be applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadlab.analysis.pairs import declared_pairs
from loadlab.errors import UsageError
from loadlab.faults import FAULTS
from loadlab.plan.experiment import read_plan

if TYPE_CHECKING:
    from loadlab.model.config import Config

BEFORE = "window_seconds = 4.0\nblocks = 2\n"
AFTER = "[servers.sync]\n[servers.gthread]\n[strategies.max_age]\nmax_age = [0, 60]\n"
RESTART = '[[faults]]\nkind = "database_restart"\n'


def plan(faults: str, *, before: str = BEFORE) -> str:
    return before + AFTER + faults


def problems(faults: str, *, before: str = BEFORE) -> list[str]:
    with pytest.raises(UsageError) as raised:
        read_plan(plan(faults, before=before), "my.toml")
    return str(raised.value).splitlines()[1:]


def test_each_case_is_measured_without_and_with_each_fault_at_each_instant() -> None:
    found = read_plan(plan(RESTART + 'mode = ["fast", "immediate"]\nat_seconds = [1, 2.5]\n'), "my.toml").cases
    faulted = [case for case in found if case.fault]
    assert len(faulted) == 4 * len({case.control for case in faulted}) == 4 * 4
    assert {case.control for case in faulted} <= set(found)
    assert {str(case.fault) for case in faulted} == {
        f"database_restart,mode={mode},at={at}s" for mode in ("fast", "immediate") for at in ("1", "2.5")
    }
    assert len({case.id for case in found}) == len(found)


def test_a_fault_without_an_instant_comes_in_the_middle_of_the_window() -> None:
    assert {case.fault.at for case in read_plan(plan(RESTART), "my.toml").cases if case.fault} == {2.0}


def test_cases_with_a_fault_are_compared_with_none_and_have_no_replica() -> None:
    cases = read_plan(plan(RESTART), "my.toml").cases
    compared = {side for pair in declared_pairs(cases) for side in (pair.case, pair.baseline)}
    assert compared == {case for case in cases if case.fault is None}
    assert [case.fault for case in cases if case.replica] == [None]


def test_a_table_of_faults_acts_on_every_trial_and_makes_no_case() -> None:
    cases = read_plan(plan("[faults.added_latency]\nround_trip_ms = 3.0\n"), "my.toml").cases
    assert all(case.fault is None for case in cases)


def test_a_fault_that_ends_the_labs_sight_is_refused_for_every_trial() -> None:
    (said,) = problems("[faults.database_restart]\n")
    assert said.strip() == (
        "faults.database_restart: would make every trial invalid"
        ' (use [[faults]] with kind = "database_restart": each case is measured without it too)'
    )


def test_a_fault_that_fits_no_case_is_named_beside_other_problems() -> None:
    said = problems('[[faults]]\nkind = "pooler_restart"\n', before='control = "gevent"\n')
    for expected in ("control: 'gevent' is not", "faults.pooler_restart: cannot be applied to any case of the plan"):
        assert sum(line.strip().startswith(expected) for line in said) == 1, (expected, said)


def test_a_misspelt_key_of_a_fault_is_recognised() -> None:
    (said,) = problems('[[faults]]\nkind = "backend_terminate"\nat_second = 1\n')
    assert said.strip() == "faults.backend_terminate.at_second: unknown key (did you mean at_seconds?)"


def test_all_problems_of_faults_are_reported_together() -> None:
    said = problems(
        RESTART
        + "at_seconds = 4\nhow = 1\n"
        + RESTART
        + "for_seconds = 1\n"
        + '[[faults]]\nkind = "added_latency"\nround_trip_ms = 1\n'
        + '[[faults]]\nkind = "databse_restart"\n'
        + "[[faults]]\nat_seconds = -1\n",
        before="blocks = 0\nwindow_seconds = 4.0\n",
    )
    for expected in (
        "blocks: should be greater than or equal to 1",
        "faults.database_restart.how: unknown key (remove it; the keys here are kind, at_seconds, for_seconds, mode)",
        "faults.database_restart.for_seconds: this fault has no end",
        "faults.added_latency: acts on whole trials and not at an instant",
        "faults.databse_restart: unknown fault (did you mean database_restart?",
        "faults (entry 5): names no fault (add kind; one of backend_terminate, ",
        "faults (entry 5).at_seconds: should be greater than or equal to 0, not -1",
    ):
        assert sum(line.strip().startswith(expected) for line in said) == 1, (expected, said)


def test_a_fault_that_comes_after_the_window_is_refused() -> None:
    (said,) = problems(RESTART + "at_seconds = 4\n")
    assert said.strip() == ("faults.database_restart.at_seconds: 4 s is not within the window of 4 s (set less than 4)")


def test_a_fault_that_no_case_can_have_is_refused_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAULTS["database_restart"], "needs", ("pooler",))
    (said,) = problems(RESTART)
    assert said.strip() == (
        "faults.database_restart: cannot be applied to any case of the plan"
        " (needs a pooler between the application and PostgreSQL: add the strategy pgbouncer)"
    )


def test_a_fault_is_left_out_where_it_cannot_be_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAULTS["database_restart"], "needs", ("pooler",))
    experiment = read_plan(plan("[strategies.pgbouncer]\n" + RESTART), "my.toml")
    assert {case.strategy.name for case in experiment.cases if case.fault} == {"pgbouncer"}
    assert {str(one) for one in experiment.left_out} == {
        f"database_restart,mode=fast,at=2s with max_age in {server}: needs a pooler between the application and"
        " PostgreSQL: add the strategy pgbouncer"
        for server in ("sync", "gthread")
    }


def test_the_users_own_database_is_not_restarted() -> None:
    project = '[project]\nsettings = "mysite.settings"\n'
    scenario = f'scenarios = ["{__file__}"]\n'
    said = problems(project + RESTART, before=scenario + BEFORE)
    assert "cannot be applied to any case" in said[0]
    assert 'set database = "embedded" in [project]' in said[0]


def test_a_worker_is_killed_only_where_the_server_replaces_it() -> None:
    text = plan('[servers.threaded]\n[servers.asgi]\nworkers = [1, 2]\n[[faults]]\nkind = "worker_kill"\n')
    experiment = read_plan(text, "my.toml")

    def named(server: Config) -> tuple[str, object]:
        return server.name, server.parameters.get("workers")

    assert {named(case.server) for case in experiment.cases if case.fault} == {("sync", 2), ("gthread", 2), ("asgi", 2)}
    assert {named(one.server) for one in experiment.left_out} == {("threaded", None), ("asgi", 1)}
    assert all("needs a server that replaces a worker that is killed" in one.why for one in experiment.left_out)


def test_a_black_hole_is_refused_elsewhere_than_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    black_hole = '[[faults]]\nkind = "blackhole"\nat_seconds = 1\nfor_seconds = 1\n'
    assert any(case.fault for case in read_plan(plan(black_hole), "my.toml").cases)
    monkeypatch.setattr("sys.platform", "darwin")
    (said,) = problems(black_hole)
    assert said.strip() == "faults.blackhole: cannot be applied to any case of the plan (needs Linux)"
