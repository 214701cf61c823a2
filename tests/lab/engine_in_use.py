"""A Django process that uses its database as requests do, from several threads, and says what was counted.

Run as a program, with the entry of DATABASES as JSON in its only argument; it prints one JSON object.
"""

from __future__ import annotations

import sys

if "geventpool" in sys.argv[1]:  # its lock is gevent's, which may wait for ever between real threads
    from gevent import monkey

    monkey.patch_all()

import gc
import json
import threading
import warnings

import django
from django.conf import settings

THREADS, REQUESTS = 4, 10


def request(*, query: str = "SELECT 1") -> None:
    from django.db import close_old_connections, connection

    close_old_connections()
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
    finally:
        close_old_connections()


def requests() -> None:
    for _ in range(REQUESTS):
        request()


def counts() -> dict[str, object]:
    from loadlab.instrumentation import current
    from loadlab.instrumentation.counters import CounterSet

    totals = CounterSet(current.directory()).read().aliases["default"]
    return {
        "opened": totals.opened,
        "open": totals.open,
        "closed": {reason.label: count for reason, count in totals.closed.items() if count},
        "requests": totals.requests_opened + totals.requests_reused,
        "unsettled": totals.unsettled,
        "errors": {kind.label: count for kind, count in totals.connect_errors.items() if count},
        "pool": [totals.pool_size, totals.pool_available, totals.pool_waiting],
        "lent": sum(totals.wait_buckets),
    }


def main() -> None:
    settings.configure(
        DATABASES={"default": json.loads(sys.argv[1])}, INSTALLED_APPS=["loadlab.instrumentation"], USE_TZ=True
    )
    django.setup()
    from django.db import connection, connections

    threads = [threading.Thread(target=requests) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del threads, thread
    requests()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of connections that their threads have left open
        gc.collect()
    used = counts()
    pool = getattr(connection, "pool", None)
    if pool is not None:
        pool.close()
    connections.close_all()
    gc.collect()
    print(json.dumps({"used": used, "ended": counts()}))


if __name__ == "__main__":
    main()
