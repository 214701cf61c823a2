"""The other side of a plan: its cases, its name, and what does not fit together, all at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from loadlab.analysis.pairs import declared_pairs, other_side_of
from loadlab.errors import UsageError
from loadlab.model.plan import Against
from loadlab.plan.experiment import read_plan
from loadlab.plan.gates import gates_of

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = """
blocks = 6
{keys}
[servers.sync]
[strategies.max_age]
max_age = {ages}
[against]
{against}
"""
PSYCOPG = 'driver = "psycopg"'


def plan(against: str = PSYCOPG, *, keys: str = "", ages: str = "[60]") -> str:
    return SAMPLE.format(keys=keys, ages=ages, against=against)


def test_each_case_is_there_on_both_sides_and_one_twice() -> None:
    cases = read_plan(plan(ages="[0, 60]"), "plan").cases
    assert [(case.max_age, case.side, case.replica) for case in cases] == [
        (0, "this", False),
        (0, "this", True),
        (0, "psycopg", False),
        (60, "this", False),
        (60, "psycopg", False),
    ]
    assert ("side=" in cases[0].id, cases[2].id.endswith("side=psycopg")) == (False, True)


def test_a_plan_without_a_baseline_has_a_noise_floor_too() -> None:
    cases = read_plan(plan(), "plan").cases
    assert [(case.side, case.replica) for case in cases] == [("this", False), ("this", True), ("psycopg", False)]


@pytest.mark.parametrize("folder", ["~no-such-user/site", "/srv/\0/site"])
def test_a_folder_that_cannot_be_is_told_as_missing_later(folder: str) -> None:
    assert Against(folder=folder).called == "site"


def test_a_case_is_compared_with_itself_on_the_other_side() -> None:
    cases = read_plan(plan(ages="[0, 60]"), "plan").cases
    pairs = [pair for pair in declared_pairs(cases) if pair.question == "side"]
    assert [(pair.case, pair.baseline) for pair in pairs] == [(cases[0], cases[2]), (cases[3], cases[4])]
    assert [other_side_of(case, cases) for case in cases] == [cases[2], cases[2], None, cases[4], None]
    assert replace(cases[2], side="this") == cases[0]


def test_gates_hold_this_side_to_the_other_one() -> None:
    experiment = read_plan(plan() + '[gates]\n"*" = ["throughput >= 0.95 × baseline"]', "plan")
    (gate,) = gates_of(experiment.plan)
    assert [gate.concerns(case, case.id) for case in experiment.cases] == [True, False, False]


@pytest.mark.parametrize(
    ("against", "said"),
    [
        ("", "is the same as this side"),
        ('driver = "psycopg2"', "is the driver of this side"),
        ('revision = "main"\nfolder = "x"', "needs a project of your own"),
        ('driver = "psycopg"\nname = "this"', "is this side"),
    ],
)
def test_what_can_be_no_other_side_is_refused(against: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_plan(plan(against), "plan")


def test_all_problems_of_an_other_side_are_told_at_once(tmp_path: Path) -> None:
    locustfile = tmp_path / "visitor.py"
    locustfile.touch()
    keys = f'scenarios = ["{locustfile}"]\nrestarts = true'
    text = plan('revision = "main"\nfolder = "x"\ndriver = "psycopg"', keys=keys)
    with pytest.raises(UsageError) as refused:
        read_plan(text + '[project]\nsettings = "site_settings"', "plan")
    said = str(refused.value)
    assert all(where in said for where in ("against.folder", "against.driver", "restarts"))
