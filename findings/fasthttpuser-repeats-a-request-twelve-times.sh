#!/usr/bin/env bash
# Locust's FastHttpUser, and a server that hangs up after reading a GET.
#
# Expected: with Locust's default max_retries = 0 a request is sent once, and fails once; or the number of retries is told.
# Seen: one GET is sent 12 times, each on a new connection, and Locust reports one failure. A POST is sent once. HttpUser
#   sends its GET once.
# Why: geventhttpclient's HTTPClient repeats an idempotent request while "the connection was closed by the server" for up to
#   pool size + 2 times, and Locust's pool has 10 connections; max_retries is about other errors.
# Who meets it: anybody who compares Locust's number of requests with the server's or the database's under failures, and
#   anybody whose overloaded server closes connections: it gets twelve times the load that Locust reports.
# Versions: Locust 2.47.0, geventhttpclient 2.6.1, gevent 26.9.0, CPython 3.11.7.
# Output seen: "FastHttpUser GET: 1 failure, 12 requests; FastHttpUser POST: 1 failure, 1 request; HttpUser GET: 1 failure,
#   1 request".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check locust==2.47.0 geventhttpclient==2.6.1 gevent==26.9.0
cat > hangs_up.py <<'PY'
from locust import FastHttpUser, HttpUser
from locust.env import Environment
from gevent.server import StreamServer

asked = []


def hang_up(connection, _):
    asked.append(connection.recv(65536))
    connection.close()


server = StreamServer(("127.0.0.1", 0), hang_up)
server.start()
found = []
for kind, method in ((FastHttpUser, "GET"), (FastHttpUser, "POST"), (HttpUser, "GET")):
    asked.clear()
    failures = []
    made = type("Visitor", (kind,), {"host": f"http://127.0.0.1:{server.server_port}"})
    environment = Environment(user_classes=[made])
    environment.events.request.add_listener(lambda exception, **_: exception and failures.append(exception))
    made(environment).client.request(method, "/")
    count = len([one for one in asked if one])
    requests = "1 request" if count == 1 else f"{count} requests"
    found.append(f"{kind.__name__} {method}: {len(failures)} failure, {requests}")
print("; ".join(found))
PY
seen=$(venv/bin/python hangs_up.py)
echo "$seen"
[ "$seen" = "FastHttpUser GET: 1 failure, 12 requests; FastHttpUser POST: 1 failure, 1 request; HttpUser GET: 1 failure, 1 request" ]
