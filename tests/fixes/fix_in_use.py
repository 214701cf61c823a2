"""A Django process that uses its database in one way under some fixes, and says what was counted there.

Run as a program, with one JSON text as its only argument: the entry of DATABASES, the apps in their order, the setting
LOADLAB_FIXES, the way, and how many connections are to be open at last. No garbage is collected. It prints the counts
then, as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS: Final = 4
ALIASES: Final = ("default", "other")
PATIENCE_SECONDS: Final = 120.0
BUSY: Final = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"


def query() -> None:
    from django.db import connections

    for alias in ALIASES:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")


def threads() -> None:
    """One after the other, or each would find only living ones before it."""
    for _ in range(THREADS):
        thread = threading.Thread(target=query)
        thread.start()
        thread.join()


def reconnecting() -> None:
    """The wrapper of a thread opens more than one connection."""
    from django.db import connections

    def work() -> None:
        query()
        connections.close_all()
        query()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def executor() -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(THREADS):
            pool.submit(query).result()


def greenlets() -> None:
    import gevent

    for _ in range(THREADS):
        gevent.spawn(query).join()


def unsafe_in_event_loop() -> None:
    """Django warns of it and allows it: each task has its own connections, and there is no end of request."""

    async def work() -> None:
        query()

    async def tasks() -> None:
        for _ in range(THREADS):
            await asyncio.create_task(work())

    asyncio.run(tasks())


def fork() -> None:
    """A child ends its copies of threads that live on in the parent; the parent must not notice."""
    query()
    ask, answer = threading.Event(), threading.Event()

    def work() -> None:
        query()
        answer.set()
        ask.wait(PATIENCE_SECONDS)
        query()

    thread = threading.Thread(target=work)
    thread.start()
    answer.wait(PATIENCE_SECONDS)
    child = os.fork()
    if child == 0:
        end_as_child()
    _, status = os.waitpid(child, 0)
    ask.set()
    thread.join()
    query()
    if status:
        sys.exit("the child has failed")


def end_as_child() -> None:
    """With its own connection, closed in order."""
    from django.db import connections

    for alias in ALIASES:
        connections[alias].connection = None  # its parent's: the child may use only its own
    query()
    connections.close_all()
    sys.exit(0)


def program_end() -> None:
    query()


def busy_at_the_end() -> None:
    """A daemon thread is in the middle of a query as the program ends."""
    from django.db import connection

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(1)")

    threading.Thread(target=work, daemon=True).start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        busy = 0
        while not busy and time.monotonic() < deadline:
            cursor.execute(BUSY)
            (busy,) = cursor.fetchone()


WAYS: Final[dict[str, Callable[[], None]]] = {
    way.__name__: way
    for way in (threads, reconnecting, executor, greenlets, unsafe_in_event_loop, fork, program_end, busy_at_the_end)
}


def totals() -> dict[str, int]:
    """What was counted, over both aliases."""
    from loadlab.instrumentation import current
    from loadlab.instrumentation.counters import CounterSet
    from loadlab.model.metrics import CloseReason

    aliases = CounterSet(current.directory()).read().aliases.values()
    return {
        "opened": sum(one.opened for one in aliases),
        "open": sum(one.open for one in aliases),
        "explicit": sum(one.closed[CloseReason.EXPLICIT] for one in aliases),
    }


def awaited(open_at_last: int) -> dict[str, int]:
    """The counts once so many connections are open, or as they are when patience ends: a sweep may be to come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while totals()["open"] != open_at_last and time.monotonic() < deadline:
        time.sleep(0.02)
    return totals()


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    if given["way"] == "greenlets":
        from gevent import monkey

        monkey.patch_all()
    import django  # not before gevent has patched what it uses
    from django.conf import settings

    gc.disable()
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    if given["driver"] == "psycopg2":
        sys.modules["psycopg"] = None  # type: ignore[assignment]
    entry = {**given["entry"], "CONN_MAX_AGE": None}
    settings.configure(
        DATABASES=dict.fromkeys(ALIASES, entry),
        INSTALLED_APPS=given["apps"],
        LOADLAB_FIXES=given["fixes"],
        USE_TZ=True,
    )
    django.setup()
    WAYS[given["way"]]()
    print(json.dumps(awaited(given["open_at_last"])))


if __name__ == "__main__":
    main()
