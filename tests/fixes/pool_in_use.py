"""A Django process with a pool, whose threads or greenlets end without closing; it says how many queries failed then.

Run as a program, with one JSON text as its only argument: the entry of DATABASES, the apps, the way, the pool's size.
As many threads as the pool has connections query and end, garbage is collected, and as many more try. It prints how
many of these failed, and how many connections the pool can lend at last.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
from typing import Any

TIMEOUT_SECONDS = 1.0


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


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    if given["way"] == "greenlets":
        from gevent import monkey

        monkey.patch_all()
    import django
    from django.conf import settings

    size = given["size"]
    pool = {"min_size": size, "max_size": size, "timeout": TIMEOUT_SECONDS}
    entry = {**given["entry"], "OPTIONS": {**given["entry"]["OPTIONS"], "pool": pool}}
    settings.configure(DATABASES={"default": entry}, INSTALLED_APPS=given["apps"], USE_TZ=True)
    django.setup()
    first: list[str] = []
    later: list[str] = []
    for failures in (first, later):
        for _ in range(size):
            in_thread(failures)
        gc.collect()
    from django.db import connection

    available = connection.pool.get_stats()["pool_available"]  # type: ignore[attr-defined]  # of Django's PostgreSQL alone
    connection.close_pool()  # type: ignore[attr-defined]  # as above
    print(json.dumps({"first": first, "later": len(later), "why": sorted(set(later)), "available": available}))


if __name__ == "__main__":
    main()
