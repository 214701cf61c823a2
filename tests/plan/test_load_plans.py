"""The load of a plan: users or a schedule, each with what it needs, and cases that spell it out."""

from __future__ import annotations

import pytest
from every import every

from loadlab.errors import UsageError
from loadlab.model.condition import OpenLoad
from loadlab.plan.experiment import read_plan

REST = "[servers.gevent]\n[servers.sync]\n[strategies.max_age]\nmax_age = 60\n"
OPEN = 'primary_metric = "p95"\ncontrol = "sync"\n[load]\nmodel = "open"\n'


def faults_of(text: str) -> str:
    with pytest.raises(UsageError) as raised:
        read_plan(text + REST, "my.toml")
    return str(raised.value)


def test_a_plan_without_a_load_is_closed_and_comes_from_one_process() -> None:
    experiment = read_plan(REST, "x")
    assert experiment.plan.load.model == "closed"
    assert experiment.plan.load_workers == 1
    assert [case.open_load for case in experiment.cases] == [None, None]


def test_rates_are_swept_and_a_case_id_spells_out_its_schedule() -> None:
    cases = read_plan(OPEN + "rate = [100, 250.5]\noutstanding = 32\n" + REST, "x").cases
    loads = [case.id.split("/read_one/")[1] for case in cases if case.server.name == "sync"]
    tail = "outstanding=32,keep_alive=off"
    assert loads == [f"rate=100/s,poisson,{tail}", f"rate=250.5/s,poisson,{tail}"]
    assert cases[0].open_load == OpenLoad(rate=100, arrivals="poisson")


def test_one_rate_needs_no_list_and_arrivals_may_be_uniform() -> None:
    (case,) = read_plan(OPEN + 'rate = 20\narrivals = "uniform"\n' + REST, "x", ["sync*"]).cases
    assert "/rate=20/s,uniform,outstanding=64," in case.id


def test_usable_connections_of_an_open_load_are_bounded_by_outstanding() -> None:
    cases = read_plan(OPEN + "rate = 20\noutstanding = 32\n" + REST, "x").cases
    assert {case.server.name: case.usable_connections for case in cases} == {"gevent": 32, "sync": 2}


@every(
    ("text", "fault"),
    [
        (OPEN, "load.rate: is missing"),
        ("users = [3]\n" + OPEN + "rate = 1\n", "users: needs a closed load (remove it; load.outstanding"),
        (
            'primary_metric = "throughput"\n[load]\nrate = 1\n',
            "primary_metric: an open load sets the throughput itself",
        ),
        ('[load]\nmodel = "closed"\nrate = 1\n', 'load.rate: needs an open load (set model = "open"'),
        (OPEN + "rate = 0\n", "load.rate: should be greater than 0, not 0"),
        (OPEN + "rate = [1, inf]\n", "load.rate: should be a finite number"),
        (OPEN + 'rate = "fast"\n', 'load.rate: should be a valid number, not "fast"'),
        (OPEN + 'rate = 1\narrivals = "bursty"\n', "load.arrivals: should be 'poisson' or 'uniform'"),
        (OPEN + "rate = 1\noutstanding = 0\n", "load.outstanding: should be greater than or equal to 1"),
        (OPEN + "rate = 1\nusers = 3\n", "load.users: unknown key"),
        ("load_workers = 0\n", "load_workers: should be greater than or equal to 1"),
        ("load_workers = 9\n", "users: 8 users cannot be split over 9 load processes (lower load_workers to 8"),
        (
            "load_workers = 3\n" + OPEN + "rate = 1\noutstanding = 2\n",
            "load.outstanding: 2 tasks cannot be split over 3 load p",
        ),
    ],
)
def test_an_impossible_load_is_refused_with_what_would_be_right(text: str, fault: str) -> None:
    assert fault in faults_of(text)


def test_a_rate_alone_makes_the_load_open_and_p95_its_metric() -> None:
    plan = read_plan("[load]\nrate = 10\n[servers.sync]\n[strategies.max_age]\n", "my.toml").plan
    assert (plan.load.model, plan.load.rate, plan.primary_metric) == ("open", [10], "p95")


def test_a_metric_that_is_said_is_kept_under_an_open_load() -> None:
    text = 'primary_metric = "p50"\n[load]\nrate = 10\n[servers.sync]\n[strategies.max_age]\n'
    assert read_plan(text, "my.toml").plan.primary_metric == "p50"
