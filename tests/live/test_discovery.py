"""Which trials a Prometheus is told to scrape, and how their series are labelled."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from factories.made_runs import BEGAN, MadeRun, made_run

from loadlab.live.discovery import FINISHED, LINGER_SECONDS, due, labels
from loadlab.live.reading.run_views import RunViews
from loadlab.live.reading.unreadable import UnreadableRunError
from loadlab.model.case import Case
from loadlab.model.config import Config

if TYPE_CHECKING:
    from pathlib import Path

AHEAD = 4  # twelve seconds of trials that take three
NOBODY = 2**22 + 1  # a pid that no Linux gives


@pytest.fixture
def run(tmp_path: Path) -> MadeRun:
    return made_run(tmp_path / "run")


def orders(run: MadeRun, now: float = BEGAN) -> list[int]:
    view = RunViews().of(run.folder.path)
    return [step.order for step in due(view.schedule, view.progress(), now)]


class TestWhichTrials:
    def test_the_first_are_found_before_they_begin(self, run: MadeRun) -> None:
        assert orders(run) == []
        run.begins()
        assert orders(run) == [0, 1, 2, 3]

    def test_the_one_that_runs_the_last_three_and_those_to_come_are_found(self, run: MadeRun) -> None:
        run.begins()
        at = BEGAN
        for order in range(5):
            at = run.trial(order, at=at)
        run.trial(5, at=at, ended=False)
        assert FINISHED == 3
        assert orders(run) == [2, 3, 4, 5, 6, 7, 8, 9]

    def test_no_trial_is_left_out_in_between(self, run: MadeRun) -> None:
        run.begins()
        at, total = BEGAN, len(run.schedule.steps)
        for order in range(total):
            at = run.trial(order, at=at)
            assert orders(run) == list(range(max(0, order - 2), min(total, order + 1 + AHEAD)))

    def test_after_the_end_of_a_run_its_last_three_trials_stay_for_a_while(self, run: MadeRun) -> None:
        run.begins()
        total = len(run.schedule.steps)
        for order in range(total):
            run.trial(order, at=BEGAN)
        run.ends(at=BEGAN)
        assert orders(run, BEGAN + LINGER_SECONDS - 1) == list(range(total - 3, total))
        assert orders(run, BEGAN + LINGER_SECONDS + 1) == []

    def test_a_run_whose_lab_was_killed_has_none(self, run: MadeRun) -> None:
        run.begins(pid=NOBODY)
        run.trial(0, at=BEGAN, ended=False)
        assert orders(run) == []

    def test_a_resumed_run_leaves_out_the_cut_off_trial_until_it_is_run(self, run: MadeRun) -> None:
        run.begins(at=BEGAN - 100)
        run.trial(0, at=BEGAN - 100)
        run.trial(1, at=BEGAN - 90, ended=False)
        run.ends("stopped", at=BEGAN - 80)
        run.begins()
        assert orders(run) == [0, 2, 3, 4, 5]
        run.trial(1, at=BEGAN, ended=False)
        assert orders(run) == [0, 1, 2, 3, 4, 5]

    def test_another_run_under_the_same_name_begins_anew(self, run: MadeRun) -> None:
        known = RunViews()
        run.begins()
        run.trial(0, at=BEGAN)
        assert list(known.of(run.folder.path).progress().trials) == [0]
        shutil.rmtree(run.folder.path)
        with pytest.raises(UnreadableRunError, match="It has gone"):
            known.of(run.folder.path)
        made_run(run.folder.path)
        assert not known.of(run.folder.path).progress().trials


class TestLabels:
    def of(self, run: MadeRun, **choice: Any) -> dict[str, str]:
        strategy = Config(name=choice.pop("name", "max_age"), parameters=choice)
        step, first = run.schedule.steps[0], run.schedule.cases[0]
        case = Case(
            server=first.server,
            strategy=strategy,
            scenario="/elsewhere/of_mine.py",
            users=8,
            keep_alive=True,
            usable_connections=8,
        )
        (found,) = labels("run", replace(run.schedule, cases=[case]), [replace(step, case=0)])
        return found

    @pytest.mark.parametrize(("age", "label"), [(0, "0"), (60.0, "60"), (0.5, "0.5"), (None, "unlimited")])
    def test_an_age_is_a_number_or_unlimited(self, run: MadeRun, age: float | None, label: str) -> None:
        assert self.of(run, max_age=age)["max_age"] == label

    def test_a_strategy_without_an_age_has_an_empty_one(self, run: MadeRun) -> None:
        found = self.of(run, name="pool", max_size=8)
        assert (found["strategy"], found["max_age"]) == ("pool", "")

    def test_a_strategys_name_is_as_short_as_the_run_allows(self, tmp_path: Path) -> None:
        def pgbouncer(mode: str) -> Config:
            return Config(name="pgbouncer", parameters={"pool_mode": mode, "pool_size": 2})

        def aged(*, checks: bool) -> Config:
            return Config(name="max_age", parameters={"max_age": 60, "conn_health_checks": checks})

        expected = {
            "pgbouncer,pool_mode=session": pgbouncer("session"),
            "pgbouncer,pool_mode=transaction": pgbouncer("transaction"),
            "pool": Config(name="pool", parameters={"min_size": 1, "max_size": 8}),
            "max_age=60,conn_health_checks=on": aged(checks=True),
            "max_age=60,conn_health_checks=off": aged(checks=False),
        }
        case = made_run(tmp_path / "plain").schedule.cases[0]
        cases = {short: replace(case, strategy=strategy) for short, strategy in expected.items()}
        schedule = made_run(tmp_path / "run", blocks=1, cases=[*cases.values()]).schedule
        named = {of["strategy"]: of["case"] for of in labels("run", schedule, schedule.steps)}
        assert named == {short: case.id for short, case in cases.items()}

    def test_a_scenario_of_the_users_own_goes_by_its_name(self, run: MadeRun) -> None:
        found = self.of(run, max_age=0)
        assert (found["scenario"], found["keep_alive"]) == ("of_mine", "on")
