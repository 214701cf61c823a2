"""fleet.toml: a consistent fleet, or every problem of it at once, each with its place and the next step."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from every import every

from loadlab.errors import UsageError
from loadlab.fleet.fleet_file import read_fleet
from loadlab.fleet.measured import application_of
from loadlab.model.config import Config
from loadlab.model.fleet import DatabaseLimits
from loadlab.model.fleet_question import FleetQuestion, GivenApplication
from loadlab.strategies import STRATEGIES

WHOLE: dict[str, Any] = {
    "hosts": 20,
    "hours": 2,
    "server": {"gthread": {"workers": 4, "threads": 8}},
    "strategies": {"max_age": {"max_age": [0, 60, "none"]}, "pgbouncer": {"pool_size": 9}},
    "traffic": {"constant": {"rate": 200}},
    "events": {
        "rolling_deployment": [{"at_seconds": 600}, {"at_seconds": 3600, "surge": True}],
        "database_restart": {"at_seconds": 5000, "down_seconds": 2},
        "idle_timeout": {"idle_seconds": 350},
    },
    "database": {"max_connections": 400, "reserved": 10},
    "pooler": "shared",
    "balance": "round_robin",
    "repeats": 4,
    "seed": 7,
    "application": {
        "connect_ms": 4,
        "hold_ms": [30, 5, 8],
        "idle_backend_mb": 2.5,
        "client_connection_mb": 0.5,
        "app_cpu_ms_per_connect": 1.5,
    },
}


def fleet_text(**changes: Any) -> str:
    """The whole file with other keys; those that are None are left out."""
    return tomli_w.dumps({key: value for key, value in (WHOLE | changes).items() if value is not None})


def problems_of(**changes: Any) -> list[str]:
    with pytest.raises(UsageError) as raised:
        read_fleet(fleet_text(**changes), "fleet.toml")
    first, *problems = str(raised.value).splitlines()
    assert first == f"fleet.toml has {len(problems)} problem{'s' * (len(problems) > 1)}:"
    return problems


def test_a_whole_file_becomes_a_scene_with_all_its_events() -> None:
    fleet = read_fleet(fleet_text(), "fleet.toml")
    scene = fleet.scene()
    assert (scene.hosts, scene.rates.seconds, scene.database.free, scene.balance) == (20, 7200, 390, "round_robin")
    assert scene.rates.expected[-1] == pytest.approx(200 * 7200)
    assert len(scene.ends) == 40
    assert [(outage.start, outage.end) for outage in scene.outages] == [(5000, 5002)]
    assert scene.conditions.idle_seconds == 350


def test_strategies_are_swept_as_in_a_plan() -> None:
    fleet = read_fleet(fleet_text(), "fleet.toml")
    assert fleet.server == Config(name="gthread", parameters={"workers": 4, "threads": 8, "keep_alive_seconds": 5})
    kept = [fleet.keeping(strategy, application_of(fleet)) for strategy in fleet.strategies]
    assert [one.max_age for one in kept] == [0, 60, None, 0]
    assert [one.pooler is not None and one.pooler.shared for one in kept] == [False, False, False, True]
    assert {(one.processes, one.threads) for one in kept} == {(4, 8)}


def test_estimates_are_an_application_that_says_so() -> None:
    application = application_of(read_fleet(fleet_text(), "fleet.toml"))
    assert application.connect_seconds.values == pytest.approx((0.004,))
    assert application.hold_seconds.values == pytest.approx((0.005, 0.008, 0.03))
    assert application.idle_backend_bytes == pytest.approx(2.5e6)
    assert application.connection_bytes == pytest.approx(3e6)
    assert application.app_cpu_per_connect == pytest.approx(0.0015)
    assert application.database_cpu_per_connect is None
    assert "estimate" in application.source
    assert application.spreads == {}


def test_without_a_duration_it_is_the_traffics_own() -> None:
    assert read_fleet(fleet_text(hours=None, events=None), "fleet.toml").extent.seconds == 3600
    assert read_fleet(fleet_text(hours=None, events=None, seconds=90.5), "fleet.toml").extent.seconds == 90.5


@every(
    "changes, place, what, remedy",
    [
        ({"host": 3}, "host", "unknown key", "did you mean hosts?"),
        ({"hosts": 0}, "hosts", "greater than or equal to 1", ""),
        ({"hosts": "20"}, "hosts", "should be a valid integer", ""),
        ({"server": {"gunicorn": {}}}, "server.gunicorn", "unknown server mode", "one of"),
        ({"server": {"gthread": {"hosts": 3}}}, "server.gthread.hosts", "unknown key", "move it above the first"),
        ({"server": {"gthread": {"thread": 3}}}, "server.gthread.thread", "unknown key", "did you mean threads?"),
        ({"server": {"gthread": {"threads": [2, 4]}}}, "server", "a fleet has one, not 2", "a file of their own"),
        ({"server": {"sync": {}, "gthread": {}}}, "server", "a fleet has one, not 2", "a file of their own"),
        ({"server": None}, "server", "is missing", "[server.sync]"),
        ({"server": {}}, "server", "is empty", "[server.sync]"),
        ({"server": {"tornado": {}}}, "server.tornado.async_unsafe", "SynchronousOnlyOperation", "use gthread"),
        ({"strategies": {"max_age": {"max_age": [0, -1]}}, "pooler": None}, "strategies.max_age.max_age", "-1", "none"),
        ({"strategies": {"max_age": {"max_age": [0, 0]}}, "pooler": None}, "strategies.max_age", "twice", "remove"),
        ({"strategies": {"leased_threads": {}}, "pooler": None}, "strategies.leased_threads", "only under ASGI", "use"),
        ({"strategies": {"scram_key": {}}, "pooler": None}, "strategies.scram_key", "in gthread", "use max_age = 0"),
        ({"strategies": {"max_age": {}}}, "pooler", "without the strategy pgbouncer", "add [strategies.pgbouncer]"),
        ({"traffic": None}, "traffic", "is missing", "[traffic.constant]"),
        ({"traffic": {"constant": {"rate": 0}}}, "traffic.constant.rate", "greater than 0", ""),
        ({"traffic": {"flat": {"rate": 1}}}, "traffic.flat", "unknown traffic", "one of"),
        ({"traffic": {"constant": {"rate": 1}, "day": {"mean_rate": 3}}}, "traffic", "a fleet has one, not 2", "keep"),
        ({"events": {"deployment": {}}}, "events.deployment", "unknown event", "one of"),
        ({"events": {"database_restart": {"at_seconds": 7200}}}, "events.database_restart.at_seconds", "is not", ""),
        ({"events": {"rolling_deployment": {"at_seconds": 1, "hosts_at_once": 21}}},
         "events.rolling_deployment.hosts_at_once", "more than the fleet has", "it has 20"),
        ({"database": {"max_connections": 5, "reserved": 5}}, "database.reserved", "leaves none", "set less than 5"),
        ({"seconds": 60}, "seconds", "hours says it too", "keep one"),
        ({"application": None}, "run", "where the application was measured", "run folder"),
        ({"run": "runs/x"}, "application", "comes from run already", "keep one"),
        ({"application": {"connect_ms": 4}}, "application.hold_ms", "is missing", "add it"),
        ({"repeats": 1}, "repeats", "greater than or equal to 2", ""),
        ({"balance": "sticky"}, "balance", "'random' or 'round_robin'", ""),
    ],
)  # fmt: skip
def test_each_problem_has_its_place_and_the_next_step(
    changes: dict[str, Any], place: str, what: str, remedy: str
) -> None:
    (said,) = problems_of(**changes)
    assert said.startswith(f"  {place}: ")
    assert what in said
    assert remedy in said


def test_all_problems_are_said_at_once() -> None:
    said = problems_of(
        hosts=0,
        hour=3,
        strategies={"max_age": {"max_age": -1}, "leased_threads": {}},
        events={"database_restart": {"at_seconds": 9000}, "reboot": {}},
        database={"max_connections": 3},
        application=None,
    )
    places = [line.strip().partition(":")[0] for line in said]
    assert places == [
        "hosts",
        "hour",
        "strategies.max_age.max_age",
        "events.reboot",
        "run",
        "strategies.leased_threads",
        "database.reserved",
        "pooler",
        "events.database_restart.at_seconds",
    ]


def test_too_many_connections_are_an_answer_and_not_a_problem() -> None:
    strategies = {"pool": {"min_size": 100, "max_size": 100}}
    fleet = read_fleet(fleet_text(strategies=strategies, pooler=None), "fleet.toml")
    assert fleet.strategies[0].parameters["min_size"] == 100


def test_a_text_that_is_no_toml_is_one_clear_message() -> None:
    with pytest.raises(UsageError, match=r"fleet\.toml is not valid TOML: .*line 1"):
        read_fleet("hosts 3", "fleet.toml")


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    fleet = read_fleet(fleet_text(application=None, run="runs/none"), "fleet.toml", tmp_path)
    with pytest.raises(UsageError, match=str(tmp_path / "runs" / "none")):
        application_of(fleet)


def test_an_access_log_is_beside_the_file(tmp_path: Path) -> None:
    lines = [f'::1 - - [28/Nov/2026:14:00:{second:02} +0000] "GET / HTTP/1.1" 200 5' for second in range(30)]
    (tmp_path / "access.log").write_text("\n".join(lines))
    given = fleet_text(hours=None, events=None, traffic={"access_log": {"files": "access.log"}})
    assert read_fleet(given, "fleet.toml", tmp_path).rates.expected[-1] == 30
    (said,) = problems_of(hours=None, events=None, traffic={"access_log": {"files": str(tmp_path / "none.log")}})
    assert said.startswith("  traffic.access_log: ")
    assert "none.log" in said


def test_an_unreadable_line_of_a_log_is_one_clear_message(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("not a request\n")
    (said,) = problems_of(hours=None, events=None, traffic={"access_log": {"files": str(log)}})
    assert "line 1" in said


def test_faults_of_events_are_told_beside_a_log_that_cannot_be_read(tmp_path: Path) -> None:
    log, restart = {"files": str(tmp_path / "none.log")}, {"at_seconds": 7200}
    said = problems_of(hours=2, traffic={"access_log": log}, events={"database_restart": restart})
    assert [line.split(":")[0].strip() for line in said] == ["traffic.access_log", "events.database_restart.at_seconds"]


@every("kind", [FleetQuestion, GivenApplication, DatabaseLimits])
def test_the_reference_has_every_key_with_its_default(kind: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "fleet-file.md").read_text()
    for field in fields(kind):
        assert f"`{field.name}`" in page or f"`[{field.name}" in page, field.name
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert f"| {field.default} |" in page or f"`{field.name}` ({field.default})" in page, field.name


@every("strategy", list(STRATEGIES))
def test_the_reference_says_what_each_strategy_becomes(strategy: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "fleet-file.md").read_text()
    assert f"`{strategy}`" in page.partition("## What a strategy becomes")[2]
