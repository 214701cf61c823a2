"""Who has a connection keeps it, no one gets a new one, and what is given back is taken; afterwards all are free."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest
from laboratory import await_alone
from patience import await_that
from psycopg2.extensions import make_dsn

from loadlab.faults import FaultContext
from loadlab.faults.connections_exhausted import ConnectionsExhausted

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.lab.lab import Lab

pytestmark = pytest.mark.process
REFUSED = "remaining connection slots are reserved"


def test_connections_that_others_took_come_back_when_they_go(lab: Lab, tmp_path: Path) -> None:
    database = lab.database
    dsn = make_dsn(**database.parameters, dbname=database.name, passfile=database.environment["PGPASSFILE"])
    context = FaultContext(database=database, register=lab.register, log=tmp_path / "log")
    await_alone(lab)
    kept, given_back = psycopg2.connect(dsn), psycopg2.connect(dsn)
    before = lab.judge.limits().free
    with ConnectionsExhausted(free=0).applied(context):
        with pytest.raises(psycopg2.OperationalError, match=REFUSED):
            psycopg2.connect(dsn)
        given_back.close()
        await_that(lambda: lab.judge.limits().free <= 1, "others do not take what is given back")
        kept.cursor().execute("SELECT 1")
    await_that(lambda: lab.judge.limits().free == before + 1, lambda: f"{lab.judge.limits()} instead of {before + 1}")
    kept.close()
