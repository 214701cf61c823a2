"""A Django process that finds out what its driver, its pool and PostgreSQL do in corners that surprise people.

Run as a program with one JSON text as its only argument: the driver, the entry of DATABASES, and the facts to find out.
It prints them as JSON, by name.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_SECONDS: Final = 60.0
WAITING_THREADS: Final = 3
NAME: Final = "driver_facts"
ENTRY: Final[dict[str, Any]] = {}  # of DATABASES, as it was given


def wrapper(**changes: Any) -> Any:
    """A new connection to the same database, with changes to its entry; OPTIONS are added to."""
    from django.db.utils import ConnectionHandler

    options = {**ENTRY["OPTIONS"], "application_name": NAME, **changes.pop("OPTIONS", {})}
    return ConnectionHandler({"default": {**ENTRY, **changes, "OPTIONS": options}})["default"]


def asked(connection: Any, query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


@contextmanager
def a_judge() -> Iterator[Callable[[str], int]]:
    """Asks PostgreSQL, on a connection of its own."""
    judge = wrapper(OPTIONS={"application_name": "judge"})
    try:
        yield lambda query: int(asked(judge, query))
    finally:
        judge.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("it does not come to pass")
        time.sleep(0.02)


def backends(pid: int) -> str:
    return f"SELECT count(*) FROM pg_stat_activity WHERE pid = {int(pid)}"  # noqa: S608  a number


SESSIONS: Final = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'driver_facts'"


def timeouts() -> dict[str, list[Any]]:
    """By its setting: the class that Django raises, the SQLSTATE of the driver, and its text."""
    found = {}
    for setting in ("idle_session_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"):
        with a_judge() as judge:
            connection = wrapper(OPTIONS={"options": f"-c {setting}=200"})
            pid = asked(connection, "SELECT pg_backend_pid()")
            if setting != "idle_session_timeout":
                asked(connection, "BEGIN")
            until(lambda pid=pid, judge=judge: judge(backends(pid)) == 0)  # type: ignore[misc]
            try:
                asked(connection, "SELECT 1")
            except Exception as error:  # noqa: BLE001  which one is the question
                cause = error.__cause__
                state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
                found[setting] = [type(error).__name__, state, str(error).strip().splitlines()[0]]
            connection.close()
    return found


def close_inside_atomic() -> list[Any]:
    """Whether the session is there after close_old_connections() in a transaction, and what the next query raises."""
    from django.db import close_old_connections, connection, transaction

    connection.settings_dict["CONN_MAX_AGE"] = None
    said = ""
    with a_judge() as judge:
        pid = asked(connection, "SELECT pg_backend_pid()")
        with suppress(Exception), transaction.atomic():
            close_old_connections()
            until(lambda: judge(backends(pid)) == 0)
            try:
                asked(connection, "SELECT 1")
            except Exception as error:
                said = type(error).__name__
                raise
    connection.close()
    return [said]


def in_event_loop() -> list[int]:
    """Sessions after a query in asyncio.run(), after closing in the loop itself, and after closing where they live."""
    from asgiref.sync import sync_to_async
    from django.db import close_old_connections, connection, connections

    connection.close()
    connection.settings_dict["CONN_MAX_AGE"] = 0
    connection.settings_dict["OPTIONS"]["application_name"] = NAME
    counted = []
    with a_judge() as judge:

        async def main() -> None:
            await sync_to_async(lambda: asked(connections["default"], "SELECT 1"))()
            counted.append(judge(SESSIONS))
            close_old_connections()
            connections.close_all()
            counted.append(judge(SESSIONS))
            await sync_to_async(close_old_connections)()
            until(lambda: judge(SESSIONS) == 0)
            counted.append(0)

        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # the judge asks in the loop
        asyncio.run(main())
    return counted


def error_at_age_0() -> int:
    """The backend of a request that meets an error; PostgreSQL's log has what it was asked."""
    connection = wrapper(CONN_MAX_AGE=0)
    pid = int(asked(connection, "SELECT pg_backend_pid()"))
    with suppress(Exception):
        asked(connection, "SELECT no_such_thing")
    connection.close_if_unusable_or_obsolete()
    return pid


def isolation() -> list[Any]:
    """The level of a query outside atomic() and inside, and the backend."""
    from django.db import connections, transaction

    level = 4 if sys.modules.get("psycopg") else 3  # SERIALIZABLE
    connections.settings["serial"] = {**connections.settings["default"]}
    connections.settings["serial"]["OPTIONS"] = {**ENTRY["OPTIONS"], "isolation_level": level}
    connection = connections["serial"]
    pid = asked(connection, "SELECT pg_backend_pid()")
    outside = asked(connection, "SHOW transaction_isolation")
    with transaction.atomic(using="serial"):
        inside = asked(connection, "SHOW transaction_isolation")
    connection.close()
    return [outside, inside, pid]


def prepared() -> list[int]:
    """Statements that are prepared at prepare_threshold = 0, without server_side_binding and with it."""
    counted = []
    for binding in (False, True):
        connection = wrapper(OPTIONS={"prepare_threshold": 0, "server_side_binding": binding})
        with connection.cursor() as cursor:
            for number in range(5):
                cursor.execute("SELECT %s::int", [number])
            cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%::int'")
            counted.append(int(cursor.fetchone()[0]))
        connection.close()
    return counted


def _pool(*, checked: bool = False, **options: Any) -> Any:
    connection = wrapper(CONN_HEALTH_CHECKS=checked, OPTIONS={"pool": options})
    return connection, connection.pool


def lifetime() -> list[bool]:
    """Whether an idle connection outlives max_lifetime, and is replaced once it comes back."""
    connection, pool = _pool(min_size=1, max_size=1, max_lifetime=0.2)
    pool.open(wait=True)
    with a_judge() as judge:
        with pool.connection() as lent:
            pid = lent.info.backend_pid
        time.sleep(1.0)  # five times its life: what is claimed is that nothing happens meanwhile
        outlived = judge(backends(pid)) == 1
        with pool.connection():
            pass
        until(lambda: judge(backends(pid)) == 0)
    connection.close_pool()
    return [outlived, True]


def failed_checks() -> list[Any]:
    """What a query meets when a pool's only connection is lost, or both of two; and how many are lendable then."""
    met: list[Any] = []
    with a_judge() as judge:
        for size, seconds in ((1, PATIENCE_SECONDS), (2, 0.5)):
            connection, pool = _pool(checked=True, min_size=size, max_size=size, timeout=seconds)
            pool.open(wait=True)
            judge(f"SELECT count(pg_terminate_backend(pid)) {SESSIONS.partition(' count(*) ')[2]}")
            until(lambda: judge(SESSIONS) == 0)
            try:
                met.append(asked(connection, "SELECT 1"))
            except Exception as error:  # noqa: BLE001  which one is the question
                met.append(type(error.__cause__).__name__)
                until(lambda size=size, pool=pool: pool.get_stats()["pool_available"] == size)  # type: ignore[misc]
                met.append(size)
            connection.close()
            connection.close_pool()
    return met


def session_state() -> list[Any]:
    """What the second borrower of a connection finds of the first one's: a setting, a temporary table, a lock."""
    connection, _ = _pool(min_size=1, max_size=1)
    asked(connection, "SET statement_timeout = '77s'")
    asked(connection, "CREATE TEMPORARY TABLE mine (a int)")
    asked(connection, "SELECT pg_advisory_lock(77)")
    connection.close()
    found: list[Any] = []

    def borrow() -> None:
        found.append(asked(connection, "SHOW statement_timeout"))
        found.append(asked(connection, "SELECT count(*) FROM mine"))
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        found.append(asked(connection, locks))
        connection.close()

    connection.inc_thread_sharing()
    thread = threading.Thread(target=borrow)
    thread.start()
    thread.join()
    connection.close_pool()
    return found


def insensitive() -> list[int]:
    """Failures of two rounds of six calls in six threads that live on, with a pool of four."""
    from django.db import connections

    connections["default"].close()
    options = {**ENTRY["OPTIONS"], "pool": {"min_size": 4, "max_size": 4, "timeout": 0.5}}
    connections.settings["pooled"] = {**connections.settings["default"], "OPTIONS": options}
    barrier = threading.Barrier(6)

    def call(_: int) -> bool:
        barrier.wait(PATIENCE_SECONDS)
        try:
            asked(connections["pooled"], "SELECT 1")
        except Exception:  # noqa: BLE001  a PoolTimeout
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        rounds = [list(threads.map(call, range(6))).count(False) for _ in range(2)]
    connections["pooled"].close_pool()
    return rounds


def requests_waiting() -> list[int]:
    """What the pool says is waiting, when all who waited have been refused; and after a connection has come back."""
    connection, pool = _pool(min_size=1, max_size=1)
    pool.open(wait=True)
    lent = pool.getconn()

    def wait() -> None:
        with suppress(Exception):
            pool.getconn(timeout=0.1)

    threads = [threading.Thread(target=wait) for _ in range(WAITING_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = [pool.get_stats()["requests_waiting"]]
    pool.putconn(lent)
    said.append(pool.get_stats()["requests_waiting"])
    connection.close_pool()
    return said


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    ENTRY.update(given["entry"])
    if given["driver"] == "psycopg2":
        sys.modules["psycopg"] = None  # type: ignore[assignment]
    import django
    from django.conf import settings

    settings.configure(DATABASES={"default": ENTRY}, USE_TZ=True)
    django.setup()
    print(json.dumps({name: globals()[name]() for name in given["facts"]}))


if __name__ == "__main__":
    main()
