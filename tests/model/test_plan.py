"""A plan: its defaults and limits are those that the manual names, and its loads are those that are run."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from every import every
from pydantic import TypeAdapter, ValidationError

from loadlab.model.condition import OpenLoad
from loadlab.model.plan import Deployment, Plan, ProjectOptions
from loadlab.model.window import Window

PLANS: Final = TypeAdapter(Plan)
MEMBERS: Final = {"servers": {"sync": {}}, "strategies": {"max_age": {}}}
NEEDED: Final = {"target": {"url": "http://shop/"}, "project": {"settings": "shop.settings"}}
SWEPT: Final = ("users", "round_trip_ms", "idle_percent")
# Every key of a plan that may be left out, with what the manual says of it then.
DEFAULTS: Final[dict[str, Any]] = {
    "seed": 2013,
    "blocks": 8,
    "min_blocks": 2,
    "warmup_seconds": 0.5,
    "window_seconds": 2.0,
    "users": [8],
    "keep_alive": [False],
    "round_trip_ms": [0.0],
    "idle_percent": [0],
    "scenarios": ["read_one"],
    "driver": "psycopg2",
    "control": None,
    "primary_metric": "throughput",
    "equivalence_margin": 0.05,
    "restarts": False,
    "holding": False,
    "load_workers": 1,
    "load": {
        "model": "closed",
        "rate": None,
        "arrivals": "poisson",
        "outstanding": 64,
        "expect_workers": 0,
        "master_bind_host": "127.0.0.1",
        "master_bind_port": 5557,
    },
    "quiet_spells": {"count": 0, "pause_seconds": 40.0, "burst_seconds": 1.0},
    "database": {"auth": "scram", "tls": False, "max_connections": 100},
    "limits": {"max_connections": None, "reserved": 3, "hosts": 1, "workers": None, "overlap": 1},
    "project": None,
    "target": None,
    "against": None,
    "faults": {},
    "gates": {},
}


def plan(**keys: Any) -> Plan:
    return PLANS.validate_json(json.dumps({**MEMBERS, **keys}))


def test_what_a_plan_leaves_out_is_as_the_manual_says() -> None:
    assert plan() == plan(**DEFAULTS)
    assert set(DEFAULTS) | set(MEMBERS) == set(Plan.__dataclass_fields__)


def test_a_project_needs_its_settings_and_is_left_as_it_is() -> None:
    assert plan(project={"settings": "shop.settings"}).project == ProjectOptions(
        settings="shop.settings",
        folder=".",
        wsgi="",
        asgi="",
        python="",
        pythonpath=[],
        database="own",
        keep_databases=[],
        migrate=False,
        prepare=[],
        boot_seconds=60.0,
    )


def test_a_target_s_metrics_are_at_its_own_address_unless_named() -> None:
    assert Deployment(url="http://shop/").metrics_url == "http://shop/metrics"
    assert Deployment(url="http://shop", metrics="http://inside:9100/m").metrics_url == "http://inside:9100/m"
    assert (Deployment(url="http://shop").name, Deployment(url="http://shop").alias) == ("as deployed", "default")


@every(
    ("table", "key", "least", "most"),
    [
        ("", "seed", 0, None),
        ("", "blocks", 1, 1000),
        ("", "warmup_seconds", 0, 3600),
        ("", "window_seconds", None, 86400),
        ("", "users", 1, 100_000),
        ("", "round_trip_ms", 0, 1000),
        ("", "idle_percent", 0, 95),
        ("", "load_workers", 1, 256),
        ("load", "outstanding", 1, 100_000),
        ("load", "expect_workers", 0, 256),
        ("load", "master_bind_port", 1, 65535),
        ("database", "max_connections", 10, 10_000),
        ("limits", "max_connections", 1, 1_000_000),
        ("limits", "reserved", 0, 1_000_000),
        ("limits", "hosts", 1, 100_000),
        ("limits", "workers", 1, 10_000),
        ("limits", "overlap", 1, 10),
        ("target", "usable_connections", 1, 1_000_000),
    ],
)
def test_a_number_at_its_limit_is_accepted_and_one_beyond_refused(
    table: str, key: str, least: int | None, most: int | None
) -> None:
    def made(value: int) -> Plan:
        given: Any = [value] if key in SWEPT else value
        return plan(**{table: {**NEEDED.get(table, {}), key: given}} if table else {key: given})

    for limit, beyond in ((least, -1), (most, 1)):
        if limit is not None:
            made(limit)
            with pytest.raises(ValidationError):
                made(limit + beyond)


@every(
    "keys",
    [
        {"window_seconds": 0},
        {"equivalence_margin": 0},
        {"equivalence_margin": 1},
        {"users": []},
        {"load": {"model": "open", "rate": [0]}},
        {"load": {"model": "open", "rate": [1_000_001]}},
        {"project": {"settings": "shop.settings", "boot_seconds": 0}},
        {"project": {"settings": "shop.settings", "boot_seconds": 3601}},
    ],
)
def test_a_quantity_out_of_its_range_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        plan(**keys)


@every(
    ("table", "key", "value"),
    [
        ("", "blocks", "8"),
        ("", "restarts", "yes"),
        ("load", "outstanding", "64"),
        ("database", "tls", "true"),
        ("limits", "hosts", "2"),
        ("project", "migrate", "true"),
        ("target", "usable_connections", "4"),
    ],
)
def test_text_is_not_taken_for_a_number_or_a_switch(table: str, key: str, value: str) -> None:
    with pytest.raises(ValidationError):
        plan(**{table: {**NEEDED.get(table, {}), key: value}} if table else {key: value})


def test_a_closed_load_is_its_users_and_an_open_one_its_rates() -> None:
    assert plan(users=[1, 100_000]).loads() == [(1, None), (100_000, None)]
    openly = plan(load={"model": "open", "rate": [0.5, 1_000_000], "outstanding": 32, "arrivals": "uniform"})
    assert openly.loads() == [
        (32, OpenLoad(rate=0.5, arrivals="uniform")),
        (32, OpenLoad(rate=1_000_000, arrivals="uniform")),
    ]


def test_load_processes_are_those_of_other_hosts_or_else_the_workers_here() -> None:
    assert plan(load_workers=3).load_processes == 3
    assert plan(load_workers=3, load={"expect_workers": 5}).load_processes == 5


def test_the_window_follows_the_warm_up() -> None:
    assert plan(warmup_seconds=1.5, window_seconds=4.0).window == Window(1.5, 5.5)
