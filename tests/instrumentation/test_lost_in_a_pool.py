"""A pool of psycopg's drops a connection that fails its check, and closes none: it counts as closed at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from patience import await_that
from psycopg2.extensions import make_dsn
from psycopg_pool import ConnectionPool

from loadlab.instrumentation.counters import counts_of
from loadlab.instrumentation.driver_connections import count_openings

if TYPE_CHECKING:
    from loadlab.lab.lab import Lab

pytestmark = pytest.mark.process
ALIAS = "checked"


def test_a_connection_that_fails_its_pool_s_check_is_closed_while_a_request_holds_it(lab: Lab) -> None:
    """As one does that waits for another: it may wait for as long as the pool's timeout."""
    secret = {"passfile": lab.database.environment["PGPASSFILE"]}
    dsn = make_dsn(**lab.database.parameters, dbname=lab.database.name, **secret)
    check = ConnectionPool.check_connection
    pool = ConnectionPool(dsn, open=False, min_size=1, max_size=1, check=check, kwargs={"autocommit": True})
    count_openings(pool, ALIAS)
    pool.open(wait=True)
    with pool:
        held = pool.getconn()
        pool.putconn(held)
        lab.cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [held.info.backend_pid])
        with pool.connection():
            counts = counts_of(Path(os.environ["LOADLAB_LEDGER_DIR"]), [ALIAS])
        assert held.closed
        assert (counts.opened, counts.open, counts.closed) == (2, 1, {"pool": 1})
    await_that(lambda: counts_of(Path(os.environ["LOADLAB_LEDGER_DIR"]), [ALIAS]).open == 0)
