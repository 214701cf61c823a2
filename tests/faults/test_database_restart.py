"""A restart of the database ends every session, and is for the lab's own PostgreSQL alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.faults.database_restart import DatabaseRestart
from loadlab.model.plan import DatabaseOptions
from loadlab.services.embedded import restartable
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


def test_a_restart_ends_every_session_and_the_address_stays(tmp_path: Path) -> None:
    log = tmp_path / "postgresql.log"
    with Register.opened() as register, restartable(DatabaseOptions(auth="trust"), register, log) as running:
        dsn = make_dsn(**running.database.parameters, dbname=running.database.name)
        before = psycopg2.connect(dsn)
        context = FaultContext(database=running.database, register=register, log=log, restart_database=running.restart)
        with DatabaseRestart().applied(context) as effect:
            assert (effect.database, effect.trees) == (None, {})
            with pytest.raises(psycopg2.OperationalError):
                before.cursor().execute("SELECT 1")
            psycopg2.connect(dsn).close()
        unowned = FaultContext(database=running.database, register=register, log=log)
        with (
            pytest.raises(EnvironmentFaultError, match="Set restarts = true in the plan"),
            DatabaseRestart().applied(unowned),
        ):
            pass
