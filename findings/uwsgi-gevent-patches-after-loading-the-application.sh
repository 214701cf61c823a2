#!/usr/bin/env bash
# uWSGI's --gevent with --gevent-monkey-patch, and an application that keeps something in threading.local().
#
# Expected: "call gevent.monkey.patch_all() automatically on startup" (uwsgi --help). Each request has its own greenlet, and so its
#   own thread-local values, as under gunicorn's gevent worker.
# Seen: patch_all() is called when a worker begins its loop, after the application was loaded. A threading.local() that a module
#   has made by then is the unpatched one: all greenlets of a worker share its values. With --gevent-early-monkey-patch,
#   "before app loading", each greenlet has its own. Requests one after the other show no difference.
# Who meets it: Django keeps its database connections in such an object. Two overlapping requests get one connection, and Django
#   refuses it to the second ("DatabaseWrapper objects created in a thread can only be used in that same thread").
# Versions: pyuwsgi 2.0.30.post1, gevent 26.9.0; CPython 3.11.7. Of 20 concurrent requests:
# Output seen: "--gevent-monkey-patch: 1 value for 20 requests; --gevent-early-monkey-patch: 20 values for 20 requests". It fails
#   if the first is 20, or the second is not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyuwsgi==2.0.30.post1 gevent==26.9.0
cat > app.py <<'PY'
import itertools
import threading
import time

numbers = itertools.count()
local = threading.local()


def application(environ, start_response):
    if not hasattr(local, "value"):
        local.value = next(numbers)
    value = local.value
    time.sleep(0.5)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(value).encode()]
PY
cat > ask.py <<'PY'
import concurrent.futures
import sys
import urllib.request

url = f"http://127.0.0.1:{sys.argv[1]}/"
with concurrent.futures.ThreadPoolExecutor(20) as pool:
    print(len(set(pool.map(lambda _: urllib.request.urlopen(url, timeout=60).read(), range(20)))))
PY
values() {
  local port server
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  venv/bin/uwsgi --http-socket "127.0.0.1:$port" --master --die-on-term --need-app --virtualenv venv --pythonpath . \
    --module app --gevent 100 "$1" > log 2>&1 &
  server=$!
  for _ in $(seq 300); do grep -q "spawned uWSGI worker" log && break; sleep 0.1; done
  timeout 100 python3 ask.py "$port" || true
  kill -INT "$server"
  wait "$server" || true
}
late=$(values --gevent-monkey-patch)
early=$(values --gevent-early-monkey-patch)
echo "--gevent-monkey-patch: $late value for 20 requests; --gevent-early-monkey-patch: $early values for 20 requests"
[ "$late" -lt 20 ] && [ "$early" -eq 20 ]
