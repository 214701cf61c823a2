#!/usr/bin/env bash
# Django's persistent connections (CONN_MAX_AGE) under granian's WSGI threads, with traffic that comes in bursts.
#
# Expected: with `--blocking-threads 4` a process has four threads, so four connections, however the traffic comes. Under
#   steady load it is so.
# Seen: all but one thread end when they were idle for `--blocking-threads-idle-timeout` (30 s by default), and new ones
#   come with the next burst. The connection of an ended thread stays open until Python happens to collect garbage: each
#   burst after a pause leaves three more, so a quiet site comes to PostgreSQL's limit and a busy one does not.
# Who meets it: a site on granian with CONN_MAX_AGE above 0 and little traffic.
# Versions: granian 2.8.9, Django 5.2.19, CPython 3.11.7; SQLite, whose connections are open files of the process.
# Output seen: open connections after each of four bursts: 4 7 10 13; with an idle time-out longer than the pauses: 4 4 4 4
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check granian==2.8.9 django==5.2.19
cat > app.py <<'PY'
import gc
import os
import time
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.urls import path

gc.disable()  # or the count depends on when Python collects
DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path("db").resolve()), "CONN_MAX_AGE": None}
settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None, DATABASES={"default": DATABASE}
)


def query(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    time.sleep(0.1)
    return HttpResponse("ok")


def count(request):
    opened = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
    return HttpResponse(str(opened.count(DATABASE["NAME"])))


urlpatterns = [path("query", query), path("count", count)]
application = get_wsgi_application()
PY
cat > ask.py <<'PY'
import concurrent.futures
import sys
import time
import urllib.request


def ask(path):
    return urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/{path}", timeout=60).read().decode()


counts = []
for burst in range(4):
    if burst:
        time.sleep(8)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, ["query"] * 16)) == {"ok"}
    counts.append(ask("count"))
print(*counts)
PY
served() {
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  venv/bin/granian --interface wsgi --port "$port" --blocking-threads 4 --blocking-threads-idle-timeout "$1" \
    app:application > "log.$1" 2>&1 &
  server=$!
  for _ in $(seq 300); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break; sleep 0.1; done
  venv/bin/python ask.py "$port" | tee "said.$1" | sed "s/^/idle time-out $1 s: /"
  kill "$server"; wait "$server" || true; server=
}
served 5
served 60
[ "$(cat said.60)" = "4 4 4 4" ]
read -r first second third fourth < said.5
[ "$first" -eq 4 ] && [ "$second" -gt "$first" ] && [ "$third" -gt "$second" ] && [ "$fourth" -gt "$third" ]
