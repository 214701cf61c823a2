"""A Django project in a separate process, which finds its database by a name: asks for what its input says.

Run as a program, with the entry of DATABASES as JSON in its only argument. For each line of its input it makes a
request, and answers with one line of JSON: what went wrong, if anything, and what the ledger says by then.
"""

from __future__ import annotations

import json
import sys

import django
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from loadlab.instrumentation import current
from loadlab.instrumentation.counters import CounterSet


def main() -> None:
    settings.configure(
        DATABASES={"default": json.loads(sys.argv[1])}, INSTALLED_APPS=["loadlab.instrumentation"], USE_TZ=True
    )
    django.setup()
    for _ in sys.stdin:
        error = ""
        close_old_connections()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseError as raised:
            error = str(raised)
        close_old_connections()
        totals = CounterSet(current.directory()).read().aliases["default"]
        kinds = {kind.label: count for kind, count in totals.connect_errors.items() if count}
        told = {"error": error, "opened": totals.opened, "connect_seconds": totals.connect_seconds, "errors": kinds}
        sys.stdout.write(f"{json.dumps(told)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
