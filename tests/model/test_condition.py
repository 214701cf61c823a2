"""Conditions are compared, told apart and named by their factors."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final

import pytest
from pydantic import TypeAdapter

from loadlab.model.case import Case
from loadlab.model.condition import CIRCUMSTANCES, FACTORS, Condition, OpenLoad, fields_of, varying
from loadlab.model.config import Config
from loadlab.model.labels import short_names
from loadlab.model.plan import Plan
from loadlab.model.planned_fault import PlannedFault

if TYPE_CHECKING:
    from loadlab.model.condition import Factor

BASE: Final = Case(
    server=Config(name="gthread", parameters={"workers": 2, "threads": 4}),
    strategy=Config(name="max_age", parameters={"max_age": 60, "conn_health_checks": False}),
    scenario="read_one",
    users=8,
    keep_alive=False,
    usable_connections=8,
)
RESTART = PlannedFault(config=Config(name="database_restart", parameters={"mode": "fast"}), at=1.0)
OTHERS: Final[dict[Factor, Case]] = {
    "server": replace(BASE, server=Config(name="gthread", parameters={"workers": 4, "threads": 4})),
    "strategy": replace(BASE, strategy=Config(name="pool")),
    "scenario": replace(BASE, scenario="write_one"),
    "load": replace(BASE, open_load=OpenLoad(rate=100, arrivals="poisson")),
    "keep_alive": replace(BASE, keep_alive=True),
    "round_trip_ms": replace(BASE, round_trip_ms=5.0),
    "idle_percent": replace(BASE, idle_percent=90),
    "fault": replace(BASE, fault=RESTART),
    "side": replace(BASE, side="main"),
}


@pytest.mark.parametrize("factor", FACTORS)
def test_what_differs_in_one_factor_is_alike_without_it(factor: Factor) -> None:
    other = OTHERS[factor]
    assert varying([BASE, other]).factors == {factor}
    assert BASE.without(factor) == other.without(factor)
    assert hash(BASE.without(factor)) == hash(other.without(factor))
    for kept in set(FACTORS) - {factor}:
        assert BASE.without(kept) != other.without(kept)


def test_each_factor_is_a_field_of_condition_case_and_plan() -> None:
    plan = {one.name for one in fields(Plan)}
    conditions, cases = ({one.name for one in fields(kind)} for kind in (Condition, Case))
    for factor in FACTORS:
        assert set(fields_of(factor)) <= conditions & cases
    assert conditions == {field for factor in FACTORS for field in fields_of(factor)}
    for factor in set(CIRCUMSTANCES) - {"load"}:  # a plan has it as users, or as an open load
        assert (FACTORS[factor].plan_key or factor) in plan


def test_a_usual_value_is_said_in_no_id_and_a_changed_one_is() -> None:
    assert BASE.id.endswith("/read_one/users=8,keep_alive=off")
    assert OTHERS["round_trip_ms"].id.endswith("/read_one/users=8,keep_alive=off,round_trip_ms=5")
    assert OTHERS["idle_percent"].id.endswith("/read_one/users=8,keep_alive=off,idle_percent=90")
    assert OTHERS["fault"].id.endswith("/read_one/users=8,keep_alive=off,database_restart,mode=fast,at=1s")


def test_a_case_has_the_condition_of_its_replica_and_is_not_it() -> None:
    again = replace(BASE, replica=True)
    assert again.condition == BASE.condition
    assert again != BASE


def test_a_config_is_equal_and_hashed_by_its_values() -> None:
    one, same = (Config(name="pool", parameters={"max_size": size, "min_size": 1}) for size in (4, 4.0))
    assert {one: "found"}[same] == "found"
    assert one.without("min_size") == Config(name="pool", parameters={"max_size": 4})


def test_a_label_names_what_varies_and_nothing_else() -> None:
    among = varying([BASE, *OTHERS.values()])
    assert BASE.label(varying([BASE])) == "gthread/max_age=60"
    assert OTHERS["server"].label(varying([BASE, OTHERS["server"]])) == "gthread,workers=4/max_age=60"
    assert OTHERS["keep_alive"].label(among) == (
        "gthread,workers=2/max_age=60/read_one,users=8,keep_alive=on,round_trip_ms=0,idle_percent=0,side=this"
    )
    assert len(set(short_names([BASE, *OTHERS.values()]).values())) == len(OTHERS) + 1


def test_a_record_of_a_case_is_flat_and_reads_back() -> None:
    adapter = TypeAdapter(Case)
    written = adapter.dump_json(OTHERS["load"])
    assert set(json.loads(written)) == {
        "server",
        "strategy",
        "scenario",
        "users",
        "keep_alive",
        "usable_connections",
        "round_trip_ms",
        "idle_percent",
        "replica",
        "open_load",
        "fault",
        "side",
    }
    assert adapter.validate_json(written) == OTHERS["load"]
