"""A standby of the lab's PostgreSQL follows it, and takes its place at another port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest
from patience import await_that
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.model.plan import DatabaseOptions
from loadlab.services.embedded import restartable
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


def test_a_standby_follows_and_takes_over(tmp_path: Path) -> None:
    log = tmp_path / "postgresql.log"
    with Register.opened() as register, restartable(DatabaseOptions(auth="scram"), register, log) as running:
        first = running.database
        with pytest.raises(EnvironmentFaultError, match="no standby"):
            running.fail_over()
        assert first.followed is not None
        with first.followed():
            with first.observed() as connection, connection.cursor() as cursor:
                cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
                cursor.execute("SELECT pg_current_wal_lsn()")
                (written,) = cursor.fetchone() or ("",)

                def received() -> bool:
                    cursor.execute("SELECT replay_lsn >= %s FROM pg_stat_replication", [written])
                    return cursor.fetchone() == (True,)

                await_that(received, "the standby does not follow")
            promoted = running.fail_over()
        assert promoted.parameters["port"] != first.parameters["port"]
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(make_dsn(**first.observer, dbname="postgres"))
        with promoted.observed() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT answer, pg_is_in_recovery() FROM kept")
            assert cursor.fetchone() == (42, False)
        running.restart()
        assert running.database.parameters == promoted.parameters


@pytest.mark.slow
def test_a_standby_that_is_not_needed_leaves_nothing_behind(tmp_path: Path) -> None:
    log = tmp_path / "postgresql.log"
    with Register.opened() as register, restartable(DatabaseOptions(auth="trust"), register, log) as running:
        assert running.database.followed is not None
        with running.database.followed():
            assert len(list((register.folder / "postgresql").glob("data*"))) == 2
        assert [one.name for one in (register.folder / "postgresql").glob("data*")] == ["data"]
        with running.database.observed():
            pass
