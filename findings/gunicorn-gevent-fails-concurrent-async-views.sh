#!/usr/bin/env bash
# Django's `async def` views under gunicorn's gevent worker.
#
# Expected: a WSGI server calls Django's synchronous handler, which runs each async view by async_to_sync; that works in
#   threads, and gevent's greenlets stand in for threads. So 20 concurrent requests give 20 answers of 200.
# Seen: one after the other all succeed. As soon as two overlap, the later one is a 500: asgiref asks asyncio for the
#   running loop, which is kept per OS thread in C and so is shared by all greenlets of the worker; it finds the loop of
#   the first view and refuses. A synchronous view in the same worker, at the same time, is not harmed.
# Who meets it: a project that adds its first async view and is served by gevent; its tests, one request at a time, pass.
# Versions: Django 5.2.19, asgiref 3.11.1, gunicorn 25.3.0, gevent 25.9.1, CPython 3.11.7.
# Output seen: sequential {200: 20} concurrent sync {200: 20} concurrent async {500: 19, 200: 1}, and from the log the 19
#   exceptions: "You cannot use AsyncToSync in the same thread as an async event loop" (most), "asyncio.run() cannot be
#   called from a running event loop" (the rest, which overlapped even earlier).
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  django==5.2.19 asgiref==3.11.1 gunicorn==25.3.0 gevent==25.9.1 packaging
cat > app.py <<'PY'
import asyncio
import time

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None)


def sync_view(request):
    time.sleep(0.5)
    return HttpResponse("sync")


async def async_view(request):
    await asyncio.sleep(0.5)
    return HttpResponse("async")


urlpatterns = [path("sync", sync_view), path("async", async_view)]
application = get_wsgi_application()
PY
cat > ask.py <<'PY'
import collections
import concurrent.futures
import sys
import urllib.error
import urllib.request


def ask(path):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/{path}", timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code


with concurrent.futures.ThreadPoolExecutor(20) as pool:
    sequential = collections.Counter(ask("async") for _ in range(20))
    sync = collections.Counter(pool.map(ask, ["sync"] * 20))
    concurrent_async = collections.Counter(pool.map(ask, ["async"] * 20))
print("sequential", dict(sequential), "concurrent sync", dict(sync), "concurrent async", dict(concurrent_async))
sys.exit(not (sequential == {200: 20} and sync == {200: 20} and concurrent_async[200] and concurrent_async[500]))
PY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/gunicorn --worker-class gevent --workers 1 --bind "127.0.0.1:$port" app:application 2> log &
server=$!
for _ in $(seq 300); do grep -q "Booting worker" log && break; sleep 0.1; done
for _ in $(seq 300); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break; sleep 0.1; done
venv/bin/python ask.py "$port"
grep -oE "^RuntimeError: (You cannot use AsyncToSync|asyncio.run\(\) cannot be called)" log | sort | uniq -c
