#!/usr/bin/env bash
# Django's FileResponse under waitress, with CONN_MAX_AGE = 0.
#
# Expected: the thread that ran the view closes the response, so Django's request_finished runs there, and closes its connection.
# Seen: for a file that the client does not take at once (some megabytes), the response is closed in waitress's main thread. Django looks for
#   connections of that thread, finds none, and the connection of the thread that ran the view stays open until its next request. Small
#   files are closed by that thread. So four threads that served one download each leave four idle connections of a site that keeps none.
# Why: waitress hands a file over to its main loop (wsgi.file_wrapper), which sends and closes it. Django puts response.close() in the place
#   of the file's close(), and keeps connections by thread.
# Who meets it: downloads that Django serves under waitress, behind a budget of connections that reckons with CONN_MAX_AGE = 0; and any
#   receiver of request_finished that relies on thread-local values (tenants, log contexts): for a download it clears another thread's.
# Versions: waitress 3.0.2, Django 5.2.19; CPython 3.11.7; SQLite, whose connections are open files of the process.
# Output seen: "4 small files: finished in main thread 0, connections left 0; 4 large files: finished in main thread 4, connections left 4".
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; wait 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check django==5.2.19 waitress==3.0.2
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
head -c 1000 /dev/zero > small
head -c 50000000 /dev/zero > large
cat > shop.py <<'PY'
import threading

from django.conf import settings

database = {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3", "CONN_MAX_AGE": 0}
settings.configure(ROOT_URLCONF="shop", ALLOWED_HOSTS=["*"], SECRET_KEY="x", DATABASES={"default": database})
from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import FileResponse
from django.urls import path


def note(**_):
    with open("finished", "a") as finished:
        finished.write(threading.current_thread().name + "\n")


request_finished.connect(note)
together = threading.Barrier(4)


def download(request, name):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    together.wait(60)  # four downloads, in four threads
    return FileResponse(open(name, "rb"))


urlpatterns = [path("<name>", download)]
application = get_wsgi_application()
PY
cat > ask.py <<'PY'
import http.client
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

port, server, name = sys.argv[1:]
finished = Path("finished")
finished.unlink(missing_ok=True)


def ask(_):
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    connection.request("GET", f"/{name}")
    assert len(connection.getresponse().read()) == Path(name).stat().st_size
    connection.close()


with ThreadPoolExecutor(4) as clients:
    list(clients.map(ask, range(4)))
deadline = time.monotonic() + 60
while not (finished.exists() and len(finished.read_text().split()) == 4):
    assert time.monotonic() < deadline
    time.sleep(0.1)


def opened(entry):
    try:
        return os.readlink(entry)
    except FileNotFoundError:  # a client's connection, closed by now
        return ""


left = sum(opened(entry).endswith("shop.sqlite3") for entry in Path(f"/proc/{server}/fd").iterdir())
print(f"finished in main thread {finished.read_text().split().count('MainThread')}, connections left {left}")
PY
venv/bin/waitress-serve --listen="127.0.0.1:$port" shop:application > log 2>&1 &
server=$!
for _ in $(seq 300); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2> /dev/null && break; sleep 0.1; done
small=$(venv/bin/python ask.py "$port" "$server" small)
large=$(venv/bin/python ask.py "$port" "$server" large)
echo "4 small files: $small; 4 large files: $large"
[ "$small" = "finished in main thread 0, connections left 0" ]
[ "$large" = "finished in main thread 4, connections left 4" ]
