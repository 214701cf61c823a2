#!/usr/bin/env bash
# A reload (SIGHUP) of the uWSGI of the package pyuwsgi, which is installed in a virtual environment.
#
# Expected: uWSGI replaces its workers, and goes on at the same port.
# Seen: it starts itself again with the interpreter behind the virtual environment, which does not have pyuwsgi, and so
#   it ends. With --binary-path set to the environment's python it reloads.
# Who meets it: who installs pyuwsgi with pip into a virtual environment, and deploys with a reload.
# Versions: pyuwsgi 2.0.30.post1; CPython 3.11.7.
# Output seen: "before: here, after: nothing, with --binary-path after: here".
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyuwsgi==2.0.30.post1
cat > app.py <<'PY'
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"here"]
PY
serve() {
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    venv/bin/uwsgi --http-socket "127.0.0.1:$port" --module app --virtualenv "$work/venv" --master --die-on-term "$@" \
        > "log-$port" 2>&1 &
    server=$!
    curl --silent --retry 30 --retry-delay 1 --retry-connrefused "http://127.0.0.1:$port/"
}
after_reload() {
    kill -HUP "$server"
    for _ in $(seq 50); do grep -q "binary reloading" "log-$port" && break; sleep 0.2; done
    sleep 3
    curl --silent --max-time 5 "http://127.0.0.1:$port/" || printf nothing
}
serve > before
after=$(after_reload)
serve --binary-path "$work/venv/bin/python" > before
echo "before: $(cat before), after: $after, with --binary-path after: $(after_reload)"
