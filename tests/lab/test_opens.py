"""Where the time of an open goes: PostgreSQL's words beside the client's clock, in a step that disturbs no trial."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from loadlab.judges._postgresql_log import SetupLog
from loadlab.lab import opens
from loadlab.lab.opens import open_times
from loadlab.lab.project import Project
from loadlab.model.case import Case
from loadlab.model.opens import FEWEST
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.store.layout import POSTGRESQL_LOG
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.lab.lab import Lab


def case(strategy: str) -> Case:
    return Case(
        server=config_of(SERVERS, "sync", {}, "server"),
        strategy=config_of(STRATEGIES, strategy, {}, "strategy"),
        scenario="read_one",
        users=2,
        keep_alive=False,
        usable_connections=2,
    )


def logged(lab: Lab) -> str:
    """What a new connection would be logged like."""
    dsn = make_dsn(**lab.database.observer, dbname=lab.database.observer_name)
    connection = psycopg2.connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW log_connections")
            ((setting,),) = cursor.fetchall()
    finally:
        connection.close()
    return str(setting)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_the_parts_of_an_open_add_up_and_each_takes_time(lab: Lab, driver: Any) -> None:
    before = logged(lab)
    ways = ["max_age", "scram_key"] if driver == "psycopg" else ["max_age", "pgbouncer"]
    found = open_times(replace(lab, project=Project(driver=driver)), [case(name) for name in ways])
    assert (found.unknown, [one.strategy for one in found.times]) == ("", ["", "scram_key"][: len(found.times)])
    assert len(found.times) == (2 if driver == "psycopg" else 1)
    for one in found.times:
        parts = (one.fork, one.authentication, one.server, one.outside)
        assert one.opens >= FEWEST // 2
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(one.total)
        assert one.client_cpu > 0
    opens._await(lab.database, before)  # nothing of it stays


def test_a_pool_of_the_project_does_not_stand_in_the_way(lab: Lab) -> None:
    """Its own connections are opened in its own time."""
    found = open_times(replace(lab, project=Project(driver="psycopg")), [case("pool")])
    assert [one.strategy for one in found.times] == [""]


def test_another_postgresql_is_not_asked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    given = replace(lab.database, embedded=False)
    monkeypatch.setattr(type(lab), "database", property(lambda _: given))
    assert open_times(lab, [case("max_age")]).unknown == "given"


def test_an_older_postgresql_is_known_not_to_tell(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opens, "TELLS", 999_999)
    assert open_times(lab, [case("max_age")]).unknown == "older"


def test_a_log_of_nothing_but_other_lines_tells_nothing(lab: Lab, tmp_path: Path) -> None:
    log = tmp_path / POSTGRESQL_LOG
    log.write_text("2026-11-28 [12] LOG:  connection authorized: user=loadlab database=loadlab\n")
    mark = SetupLog(lab.cursor, log).mark()
    assert SetupLog(lab.cursor, log).since(0) == {}
    with log.open("a") as file:
        file.write("2026 [7] LOG:  connection ready: setup total=4.5 ms, fork=1.25 ms, authentication=2 ms\n")
    assert SetupLog(lab.cursor, log).since(mark) == {7: (0.0045, 0.00125, 0.002)}
