#!/usr/bin/env bash
# A thread that an application has started, under uWSGI without --enable-threads.
#
# Expected: "By default the Python plugin does not initialize the GIL. This means your app-generated threads will not run. If
#   you need threads, remember to enable them with enable-threads." (uWSGI's documentation, "Things to know", and the words of
#   several libraries that refuse to work without the option.)
# Seen: the thread runs, between requests too. The option changes nothing: sanitize_args() in core/init.c sets
#   has_threads for everybody, and --help calls the option a "stub option this is true by default". There is no option that
#   turns threads off.
# Who meets it: who relies on a worker of uWSGI to have one thread (a library that is not safe for threads, a fork in the
#   application), and who adds the option because a pool's or a metrics client's thread is said to need it.
# Versions: pyuwsgi 2.0.30.post1 (uWSGI 2.0.30); uWSGI 2.0.31, compiled, alike; CPython 3.11.7.
# Output seen: "enabled by default: True; ticks between two requests, 1 s apart: without the option 100, with it 100", give
#   or take a few. It fails if the thread stands still without the option.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyuwsgi==2.0.30.post1
cat > app.py <<'PY'
import threading
import time

ticks = 0
started = []


def tick():
    global ticks
    while True:
        time.sleep(0.01)
        ticks += 1


def application(environ, start_response):
    if not started:
        started.append(threading.Thread(target=tick, daemon=True))
        started[0].start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(ticks).encode()]
PY
cat > ask.py <<'PY'
import sys
import time
import urllib.request


def ask():
    return int(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/", timeout=60).read())


before = ask()
time.sleep(1)
print(ask() - before)
PY
ticks() {
  local port server
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  venv/bin/uwsgi --http-socket "127.0.0.1:$port" --master --die-on-term --need-app --virtualenv venv --pythonpath . \
    --module app "$@" > log 2>&1 &
  server=$!
  for _ in $(seq 300); do grep -q "spawned uWSGI worker" log && break; sleep 0.1; done
  timeout 100 python3 ask.py "$port" || true
  kill -INT "$server"
  wait "$server" || true
}
without=$(ticks)
with=$(ticks --enable-threads)
default=$(venv/bin/uwsgi --help 2>&1 | grep -q -e "--enable-threads .*true by default" && echo True || echo False)
echo "enabled by default: $default; ticks between two requests, 1 s apart: without the option $without, with it $with"
[ "$without" -gt 10 ] && [ "$with" -gt 10 ]
