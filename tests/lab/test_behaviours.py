"""Connections behave here as they were recorded, and both counts of them agree."""

from __future__ import annotations

import fnmatch
import http.client
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg2
import pytest
from patience import PATIENCE_SECONDS
from psycopg2.extensions import make_dsn

from loadlab.cli._behaviour_record import read_recording
from loadlab.errors import EnvironmentFaultError
from loadlab.lab import control_requests
from loadlab.lab.behaviour import PATH, behaviour, restart, settings
from loadlab.lab.fixture import postgres_fixture, running_server
from loadlab.model.behaviour import Recording, rows_of
from loadlab.model.behaviour_changes import changed_cells
from loadlab.plan.members import build_strategy
from loadlab.settings_override.configuration import COLLECT_PATH, KEEP_GARBAGE_PATH, READY_PATH, TOKEN_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.fixture import PostgresFixture, RunningServer
    from loadlab.model.behaviour import Setting

RECORDED: Final = Path(__file__).resolve().parents[2] / "benchmarks" / "recorded"
# One of each kind: what leaks, what keep-alive hides, and a pool. What is reused is held to the record by
# tests/cli/test_behaviour_command.py, and fixes are counted in tests/fixes.
QUICK: Final = (
    "threaded,*/max_age=none,*/keep_alive=off/psycopg2",
    "gevent,*/max_age=none,*/keep_alive=on/psycopg2",
    "gthread,*/pool,*/keep_alive=off/psycopg",
)


# A server mode that has not been counted here has no rows in the record.
COUNTED_IDS: Final = {row.setting.id for row in read_recording(RECORDED / "behaviour.json").rows}
COUNTED: Final = [one for one in settings() if one.id in COUNTED_IDS]


def matching(*patterns: str) -> list[Setting]:
    return [one for one in settings() if any(fnmatch.fnmatchcase(one.id, pattern) for pattern in patterns)]


def of_id(setting: Setting) -> str:
    return setting.id


@pytest.fixture(scope="module")
def ready() -> Iterator[PostgresFixture]:
    with postgres_fixture(None, lambda _: None) as opened:
        yield opened


@pytest.fixture(scope="module")
def recorded() -> Recording:
    return read_recording(RECORDED / "behaviour.json")


def changes(setting: Setting, ready: PostgresFixture, recorded: Recording) -> list[str]:
    counted = Recording(versions={}, rows=rows_of([behaviour(setting, ready)]))
    there = [row.setting.id for row in (*recorded.rows, *recorded.workers)]
    return [str(one) for one in changed_cells(recorded, counted, there)]


def test_each_quick_pattern_names_one_row() -> None:
    assert [len(matching(pattern)) for pattern in QUICK] == [1] * len(QUICK)


@pytest.mark.parametrize("setting", matching(*QUICK), ids=of_id)
def test_connections_do_what_was_recorded(setting: Setting, ready: PostgresFixture, recorded: Recording) -> None:
    assert changes(setting, ready, recorded) == []


@pytest.mark.slow
@pytest.mark.parametrize("setting", COUNTED, ids=of_id)
def test_connections_do_what_was_recorded_in_every_row(
    setting: Setting, ready: PostgresFixture, recorded: Recording
) -> None:
    if build_strategy(setting.strategy).pooling() and shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin") is None:
        pytest.skip("there is no PgBouncer here")
    assert changes(setting, ready, recorded) == []


LEAK: Final = matching("threaded,*/max_age=none,*/keep_alive=off/psycopg2")[0]
KEPT: Final = matching("sync,*/max_age=none,*/keep_alive=off/psycopg2")[0]


def test_thread_restart_would_not_hold_if_connections_were_checked(ready: PostgresFixture) -> None:
    with running_server(KEPT, ready, {"CONN_HEALTH_CHECKS": True}) as server:
        warm, failed, later = restart(server)
    assert (warm, failed, later) == (2, 0, 0)


def asked(server: RunningServer, path: str, token: str | None) -> tuple[int, bytes]:
    headers = {} if token is None else {TOKEN_HEADER: token}
    with closing(
        http.client.HTTPConnection("127.0.0.1", server.application.port, timeout=PATIENCE_SECONDS)
    ) as connection:
        connection.request("GET", path, headers={"Connection": "close", **headers})
        response = connection.getresponse()
        return response.status, response.read()


@pytest.mark.parametrize("mode", ["threaded", "asgi"])
def test_control_requests_need_the_token(ready: PostgresFixture, mode: str) -> None:
    with running_server(matching(f"{mode},*/max_age=0,*/keep_alive=off/psycopg2")[0], ready) as server:
        for path in (COLLECT_PATH, KEEP_GARBAGE_PATH):
            for token in (None, "", "guess", "\xff"):
                assert asked(server, path, token)[0] == 404, (path, token)
            status, pid = asked(server, path, server.application.token)
            assert (status, int(pid)) == (200, server.application.program.pid)
        assert asked(server, READY_PATH, None) == (200, server.application.token.encode())


def test_a_control_request_repeats_until_every_process_has_handled_it(
    ready: PostgresFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server(KEPT, ready) as server:
        control_requests.collect_garbage(server.application, server.processes)
        monkeypatch.setattr(control_requests, "PATIENCE_SECONDS", 1.0)
        with pytest.raises(
            EnvironmentFaultError, match=r"Only [12] of 3 processes of sync answered to /\.loadlab/collect"
        ):
            control_requests.collect_garbage(server.application, server.processes + 1)


def test_collecting_garbage_closes_the_connections_that_leaked(
    ready: PostgresFixture,
) -> None:
    with running_server(LEAK, ready) as server:
        server.keep_garbage()
        assert server.clients.ask(PATH, 10) == 0
        assert server.at_rest().open == server.judge.open_now() == 80
        assert server.collect_garbage().open == server.judge.open_now() == 0


def test_the_judge_leaves_exactly_as_many_connections_as_it_was_told(ready: PostgresFixture) -> None:
    database = ready.cluster.database
    dsn = make_dsn(**database.parameters, dbname=database.name)
    with ready.only(3):
        held = [psycopg2.connect(dsn) for _ in range(3)]
        with pytest.raises(psycopg2.OperationalError, match="remaining connection slots are reserved"):
            psycopg2.connect(dsn)
        for connection in held:
            connection.close()
    ready.await_empty()


def test_the_judge_sees_the_most_that_were_open_at_once(ready: PostgresFixture) -> None:
    database = ready.cluster.database
    dsn = make_dsn(**database.parameters, dbname=database.name)
    ready.await_empty()
    mark = ready.log.mark()
    for together_open in (2, 5, 3):
        held = [psycopg2.connect(dsn) for _ in range(together_open)]
        for connection in held:
            connection.close()
        ready.await_empty()
    assert ready.log.peak_since(mark, 0) == 5


def test_a_restart_ends_every_session_and_the_database_is_where_it_was(ready: PostgresFixture) -> None:
    database = ready.cluster.database
    dsn = make_dsn(**database.parameters, dbname=database.name)
    before = psycopg2.connect(dsn)
    ready.restart()
    with pytest.raises(psycopg2.OperationalError):
        before.cursor().execute("SELECT 1")
    before.close()
    after = psycopg2.connect(dsn)
    with after.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM target_entry")
        assert cursor.fetchone() == (1000,)
    after.close()
    assert ready.cluster.database.postmaster != database.postmaster
