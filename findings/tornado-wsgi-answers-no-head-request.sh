#!/usr/bin/env bash
# HEAD requests to a WSGI application under tornado's WSGIContainer, and so under gunicorn's tornado worker.
#
# Expected: a server leaves out the body that an application returns for a HEAD request, and sends its headers; gunicorn's
#   other workers, wsgiref, waitress, cheroot and uWSGI do. Django relies on it: it returns the whole body for HEAD.
# Seen: the client gets no response; the connection is closed. The log has "HTTPOutputError: Tried to write more data than
#   Content-Length": for HEAD, tornado allows a body of 0 bytes, and WSGIContainer hands over the application's.
#   An application that returns no body for HEAD is answered.
# Who meets it: a load balancer or an uptime check that sends HEAD to a Django site under `gunicorn -k tornado`.
# Versions: tornado 6.6.1, gunicorn 27.0.1, CPython 3.11.7.
# Output seen: body: sync GET 200 HEAD 200, tornado GET 200 HEAD none; no body: sync GET 200 HEAD 200, tornado GET 200 HEAD 200
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check gunicorn==27.0.1 tornado==6.6.1
cat > app.py <<'PY'
def application(environ, start_response):
    body = b"hello"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [] if environ["PATH_INFO"] == "/none" and environ["REQUEST_METHOD"] == "HEAD" else [body]
PY
cat > ask.py <<'PY'
import http.client
import sys

for path in ("/body", "/none"):
    for method in ("GET", "HEAD"):
        client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
        try:
            client.request(method, path)
            status = client.getresponse().status
        except http.client.RemoteDisconnected:
            status = "none"
        print(path, method, status)
PY
served() {
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  venv/bin/gunicorn --worker-class "$1" --workers 1 --bind "127.0.0.1:$port" app:application 2> "log.$1" &
  server=$!
  for _ in $(seq 300); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break; sleep 0.1; done
  venv/bin/python ask.py "$port" | tee "said.$1" | sed "s/^/$1 /"
  kill "$server"; wait "$server" || true; server=
}
served sync
served tornado
grep -m 1 "Tried to write more data than Content-Length" log.tornado
[ "$(cut -d' ' -f3 said.sync | tr '\n' ' ')" = "200 200 200 200 " ]
[ "$(cut -d' ' -f3 said.tornado | tr '\n' ' ')" = "200 none 200 200 " ]
