"""A Django process with a pool, whose threads or greenlets end without closing; it says how many queries failed then.

Run as a program, with one JSON text as its only argument: the entry of DATABASES, the apps, the way, who makes the pool
("main" or "first", the first of the threads), the pool's size, how many connections the pool is to have at last, how
many sessions of the first threads PostgreSQL is to have then, and the seconds to wait for a connection. As many threads
as the pool has connections query and end, garbage is collected, and as many more try. It prints how many of these
failed, how many connections the pool can lend at last, and which of the first threads' sessions are open: a greenlet
gives its own back a moment after others hear of its end.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.01


def open_pool(connection: Any) -> Any:
    """The pool of the process, with all its connections. Who comes first makes it."""
    pool = connection.pool
    if pool.closed:
        pool.open(wait=True, timeout=PATIENCE_SECONDS)
    return pool


def query(failures: list[str], sessions: list[int]) -> None:
    from django.db import connection

    try:
        open_pool(connection)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            sessions.extend(cursor.fetchone())
    except Exception as error:  # noqa: BLE001  what it was is printed
        failures.append(repr(error))


def in_thread(failures: list[str], sessions: list[int]) -> None:
    thread = threading.Thread(target=query, args=[failures, sessions])
    thread.start()
    thread.join()


def once(expected: int, count: Callable[[], int]) -> int:
    """What is counted, once it is as many as expected."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (counted := count()) != expected and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return counted


def lendable(pool: Any, expected: int) -> int:
    """How many connections a pool can lend."""
    return once(expected, lambda: int(pool.get_stats()["pool_available"]))


def still_open(pool: Any, sessions: list[int], expected: int) -> list[int]:
    """The places of those sessions that PostgreSQL still has."""
    import psycopg

    with psycopg.connect(pool.conninfo, **pool.kwargs) as judge:

        def places() -> list[int]:
            found = judge.execute("SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)", [sessions]).fetchall()
            return sorted(sessions.index(pid) for (pid,) in found)

        once(expected, lambda: len(places()))
        return places()


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    if given["way"] == "greenlets":
        from gevent import monkey

        monkey.patch_all()
    import django
    from django.conf import settings

    size = given["size"]
    options = {"min_size": size, "max_size": size, "timeout": given["seconds"]}
    entry = {**given["entry"], "OPTIONS": {**given["entry"]["OPTIONS"], "pool": options}}
    settings.configure(DATABASES={"default": entry}, INSTALLED_APPS=given["apps"], USE_TZ=True)
    django.setup()
    from django.db import connection

    if given["maker"] == "main":
        open_pool(connection)
    first: list[str] = []
    later: list[str] = []
    sessions: list[int] = []
    for failures, theirs in ((first, sessions), (later, [])):
        for _ in range(size):
            in_thread(failures, theirs)
        gc.collect()
    pool = open_pool(connection)
    found = {"first": first, "later": len(later), "why": sorted(set(later))}
    found["available"] = lendable(pool, given["at_last"])
    found["open"] = still_open(pool, sessions, given["open_at_last"])
    pool.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
