"""What Django's connections meet behind a pooler, in a pool and on a standby: what is counted, what the log says."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
from typing import TYPE_CHECKING, Final

import django
import psycopg2
import pytest
from django.db import DatabaseError, InternalError, OperationalError
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from django.test import override_settings
from faulty_link import FaultyLink
from patience import PATIENCE_SECONDS, await_that
from poolers import asked, client
from psycopg2.extensions import make_dsn

from loadlab.model.metrics import CloseReason, ConnectError
from loadlab.model.plan import DatabaseOptions
from loadlab.services.embedded import restartable
from loadlab.system.ports import free_port
from loadlab.system.processes import UNPRIVILEGED, Register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from lone_site import Sites
    from poolers import Pooler

    from loadlab.lab.lab import Lab
    from loadlab.services.database import Database

WAIT_SECONDS: Final = 1
with_pools = pytest.mark.skipif(django.VERSION < (5, 1), reason="Django has its own pools from 5.1 on")


def said(caplog: pytest.LogCaptureFixture, name: str) -> list[str]:
    return [message for message in caplog.messages if f"(loadlab.{name})" in message]


@with_pools
def test_a_pool_whose_connections_are_all_held_times_out(lab: Lab, sites: Sites) -> None:
    pooled = sites(lab.database, OPTIONS={"pool": {"min_size": 1, "max_size": 1, "timeout": 3.0}})
    pooled.wrapper.ensure_connection()
    failures: list[Exception] = []

    def ask() -> None:
        other = pooled.wrapper.copy()
        try:
            other.ensure_connection()
        except OperationalError as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(failures) == 1
    assert pooled.errors() == {ConnectError.POOL_TIMEOUT: 1}
    assert pooled.count().opened == 1
    pooled.wrapper.close()
    pooled.wrapper.pool.close()


def test_a_client_beyond_max_client_conn_is_counted_as_too_many(
    pooler: Pooler, clients: ExitStack, sites: Sites
) -> None:
    bouncer = pooler(max_client_conn=1)
    client(clients, bouncer)
    site = sites(bouncer.database)
    with pytest.raises(OperationalError):
        site.ask()
    assert (site.errors(), site.count().opened) == ({ConnectError.TOO_MANY_CONNECTIONS: 1}, 0)


@pytest.mark.parametrize(("checked", "waits"), [(False, 1), (True, 2)])
def test_a_health_check_doubles_the_wait_at_pgbouncer_and_the_log_says_so(  # noqa: PLR0913, PLR0917  fixtures
    checked: bool,  # noqa: FBT001
    waits: int,
    pooler: Pooler,
    clients: ExitStack,
    sites: Sites,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bouncer = pooler(pool_size=1, query_wait_timeout_seconds=WAIT_SECONDS)
    site = sites(bouncer.database, CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=checked)
    site.ask()
    holder = client(clients, bouncer)
    asked(holder, "BEGIN")
    with caplog.at_level(logging.WARNING, "loadlab"), pytest.raises(DatabaseError):
        site.ask()
    assert bouncer.judge.refusals().query_wait_timeout == waits
    assert len(said(caplog, "W008")) == (1 if checked and is_psycopg3 else 0)  # psycopg2 loses PgBouncer's words
    asked(holder, "ROLLBACK")
    assert site.ask() == 1


@pytest.mark.parametrize("disabled", [False, True])
def test_a_cursor_lost_by_transaction_pooling_is_told_with_its_remedy(
    disabled: bool,  # noqa: FBT001
    pooler: Pooler,
    clients: ExitStack,
    sites: Sites,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bouncer = pooler(pool_mode="transaction", pool_size=2)
    site = sites(bouncer.database, CONN_MAX_AGE=None, DISABLE_SERVER_SIDE_CURSORS=disabled)
    squatter = client(clients, bouncer)
    with caplog.at_level(logging.WARNING, "loadlab"):
        wrapper = site.wrapper
        cursor = wrapper.cursor() if disabled else wrapper.chunked_cursor()
        cursor.execute("SELECT generate_series(1, 5000)")
        asked(squatter, "BEGIN")  # takes the session that was used last
        if disabled:
            assert len(cursor.fetchall()) == 5000
        else:
            with pytest.raises(DatabaseError):
                cursor.fetchmany(10)
        wrapper.connection.close()  # first, or psycopg would close its cursor in the wrong session too
        cursor.close()
    assert len(said(caplog, "W007")) == (0 if disabled else 1)


@pytest.fixture(scope="module")
def primary_and_standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, int]]:
    """A PostgreSQL that writes, and the port of one that is a copy of it and in standby."""
    logs = tmp_path_factory.mktemp("standby")
    with Register.opened() as register, restartable(DatabaseOptions(), register, logs / "primary.log") as running:
        with running.database.observed() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            (data,) = cursor.fetchone() or ("",)
        running.stop()
        copy = register.folder / "standby"
        shutil.copytree(data, copy)
        (copy / "standby.signal").touch()
        (copy / "postmaster.pid").unlink(missing_ok=True)
        if os.getuid() == 0:
            for path in (copy, *copy.rglob("*")):
                shutil.chown(path, UNPRIVILEGED)
        running.restart()
        programs = running._cluster._binaries
        port = free_port()
        argv = [str(programs / "postgres"), "-D", str(copy), "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
        argv += ["-c", "unix_socket_directories=", "-c", "timezone=UTC"]
        log = logs / "standby.log"
        program = register.start("the standby", argv, log=log, environment={"LC_ALL": "C"}, privileged=False)
        observer = {**running.database.observer, "port": str(port), "dbname": running.database.observer_name}

        def answers() -> bool:
            assert program.running(), program.log_tail()
            try:
                psycopg2.connect(make_dsn(**observer)).close()
            except psycopg2.OperationalError:
                return False
            return True

        await_that(answers, "the standby does not come up")
        try:
            yield running.database, port
        finally:
            program.stop(signal.SIGQUIT, PATIENCE_SECONDS)


@pytest.mark.process
@pytest.mark.parametrize(("age", "fails_after"), [(None, True), (0, False)])
def test_a_stale_primary_is_told_where_connections_are_kept(
    age: float | None,
    fails_after: bool,  # noqa: FBT001
    primary_and_standby: tuple[Database, int],
    sites: Sites,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Connected before the address leads to the new primary: reads go on, and no health check finds it out."""
    database, standby = primary_and_standby
    write = f"CREATE TABLE written_{'kept' if age is None else 'anew'} ()"
    with FaultyLink(standby) as link, caplog.at_level(logging.WARNING, "loadlab"):
        site = sites(database, PORT=str(link.port), CONN_MAX_AGE=age, CONN_HEALTH_CHECKS=True)
        with pytest.raises(InternalError, match="read-only transaction"):
            site.ask(write)
        link.server_port = int(database.parameters["port"])
        if fails_after:
            for _ in range(2):
                with pytest.raises(InternalError, match="read-only transaction"):
                    site.ask(write)
            assert site.ask() == 1
            assert (site.count().opened, site.closed()) == (1, {})
        else:
            site.ask(write)
            assert site.closed() == {CloseReason.REQUEST_END: 2}
    assert len(said(caplog, "W006")) == (1 if fails_after else 0)


@pytest.mark.process
def test_advice_that_a_project_has_silenced_is_not_logged(
    primary_and_standby: tuple[Database, int], sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    database, standby = primary_and_standby
    silenced = override_settings(SILENCED_SYSTEM_CHECKS=["loadlab.W006"])
    with silenced, caplog.at_level(logging.WARNING, "loadlab"), pytest.raises(InternalError):
        sites(database, PORT=str(standby), CONN_MAX_AGE=None).ask("CREATE TABLE silent ()")
    assert said(caplog, "W006") == []
