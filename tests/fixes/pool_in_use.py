"""A Django process with a pool, whose threads or greenlets end without closing; it says how many queries failed then.

Run as a program, with one JSON text as its only argument: the entry of DATABASES, the apps, the way, the pool's size,
how many connections the pool is to have at last, and the seconds to wait for one. As many threads as the pool has
connections query and end, garbage is collected, and as many more try. It prints how many of these failed, and how many
connections the pool can lend at last: a greenlet gives its own back a moment after others hear of its end.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from typing import Any

PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.01


def query(failures: list[str]) -> None:
    from django.db import connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:  # noqa: BLE001  what it was is printed
        failures.append(repr(error))


def in_thread(failures: list[str]) -> None:
    thread = threading.Thread(target=query, args=[failures])
    thread.start()
    thread.join()


def lendable(pool: Any, expected: int) -> int:
    """How many connections a pool can lend, once it is as many as expected."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (available := pool.get_stats()["pool_available"]) != expected and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return int(available)


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    if given["way"] == "greenlets":
        from gevent import monkey

        monkey.patch_all()
    import django
    from django.conf import settings

    size = given["size"]
    pool = {"min_size": size, "max_size": size, "timeout": given["seconds"]}
    entry = {**given["entry"], "OPTIONS": {**given["entry"]["OPTIONS"], "pool": pool}}
    settings.configure(DATABASES={"default": entry}, INSTALLED_APPS=given["apps"], USE_TZ=True)
    django.setup()
    from django.db import connection

    connection.pool.open(wait=True, timeout=PATIENCE_SECONDS)  # type: ignore[attr-defined]  # of Django's PostgreSQL alone
    first: list[str] = []
    later: list[str] = []
    for failures in (first, later):
        for _ in range(size):
            in_thread(failures)
        gc.collect()
    available = lendable(connection.pool, given["at_last"])  # type: ignore[attr-defined]  # as above
    connection.close_pool()  # type: ignore[attr-defined]  # as above
    print(json.dumps({"first": first, "later": len(later), "why": sorted(set(later)), "available": available}))


if __name__ == "__main__":
    main()
