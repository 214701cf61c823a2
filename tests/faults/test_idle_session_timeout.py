"""PostgreSQL ends the target's idle sessions while the limit is in force, and none of the lab's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest
from every import every
from patience import await_that
from psycopg2.extensions import make_dsn

from loadlab.faults import FaultContext
from loadlab.faults.idle_session_timeout import IdleSessionTimeout
from loadlab.model.config import Config
from loadlab.model.planned_fault import PlannedFault
from loadlab.plan.members import config_of
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from pathlib import Path

    from laboratory import TrialRunner
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from loadlab.lab.lab import Lab

pytestmark = pytest.mark.process
ALIVE = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"


def limit_of(connection: Connection) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_session_timeout")
        return str((cursor.fetchone() or ("",))[0])


def test_a_session_takes_the_limit_over_with_its_next_command(lab: Lab, tmp_path: Path) -> None:
    database, opened = lab.database, []

    def connected() -> Connection:
        secret = {"passfile": database.environment["PGPASSFILE"]}
        connection = psycopg2.connect(make_dsn(**database.parameters, dbname=database.name, **secret))
        connection.autocommit = True
        opened.append(connection)
        return connection

    def ended(connection: Connection) -> bool:
        lab.cursor.execute(ALIVE, [connection.info.backend_pid])
        return lab.cursor.fetchone() == (0,)

    idle, used = connected(), connected()
    context = FaultContext(database=database, register=lab.register, log=tmp_path / "log")
    with IdleSessionTimeout(after_ms=50).applied(context):
        await_that(lambda: limit_of(used) == "50ms")
        new = connected()
        await_that(lambda: ended(used) and ended(new))
        assert not ended(idle)
        assert limit_of(lab.cursor.connection) == "0"
    assert limit_of(connected()) == "0"
    for connection in opened:
        connection.close()


@pytest.mark.slow
@every("server", ["sync", "gthread", "asgi"])
@every("strategy", ["max_age", "checked", "pool"])
def test_counts_are_exact_while_idle_sessions_are_ended(trial: TrialRunner, server: str, strategy: str) -> None:
    parameters = {
        "max_age": {"max_age": 60},
        "checked": {"max_age": 60, "conn_health_checks": True},
        "pool": {"conn_health_checks": True},
    }[strategy]
    chosen = config_of(STRATEGIES, "pool" if strategy == "pool" else "max_age", parameters, "strategy")
    fault = PlannedFault(config=Config(name="idle_session_timeout", parameters={"after_ms": 30}), at=0.5, seconds=1.0)
    done = trial(server, strategy=chosen, driver="psycopg", users=2, window_seconds=3.0, fault=fault)
    assert done.state == "complete", done.reason
    assert done.connections.exact, done.connections.mismatches
    if strategy == "max_age":
        assert done.connections.after_stop.closed.get("unusable", 0) == sum(one.count for one in done.failures)
