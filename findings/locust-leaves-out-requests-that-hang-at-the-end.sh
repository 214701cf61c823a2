#!/usr/bin/env bash
# Locust, and a server that stops answering in the middle of a run, as when its database connections have run out.
#
# Expected: requests that have waited for seconds when the run ends are failures, or count with the time that they have waited. A pipeline
#   that runs Locust fails.
# Seen: they are nowhere. Locust reports the requests from before the stall, 0 failures and their small maximum, and exits with 0. Where the server
#   has answered nothing at all, the report has 0 requests, and the exit code is 0 as well. With --stop-timeout Locust waits at the end, and
#   then does the same. So the percentiles of a run that ends in a stall are those of a healthy one.
# Why: at the end Locust kills the users' greenlets, and a request is reported when its call returns. HttpUser sets no timeout, and
#   FastHttpUser one of 60 s, so in a shorter run no call returns before the end.
# Who meets it: short runs in CI, and every run in which all users come to wait: a pool without free connections, a lock, a stopped database.
# Versions: Locust 2.47.0, CPython 3.11.7.
# Output seen: for HttpUser, FastHttpUser and HttpUser with --stop-timeout "sent 24, reported 20, failed 0, exit code 0".
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; wait 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check locust==2.47.0
cat > stall.py <<'PY'
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Event

number = count(1)


class Stalling(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        sent = next(number)
        Path(f"sent-{sent}").touch()
        if sent > 20:
            Event().wait()  # as a view that waits for a connection
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


server = ThreadingHTTPServer(("127.0.0.1", 0), Stalling)
Path("port").write_text(str(server.server_port))
server.serve_forever()
PY
cat > locustfile.py <<'PY'
import os
from pathlib import Path

from locust import FastHttpUser, HttpUser, task


class Visitor({"HttpUser": HttpUser, "FastHttpUser": FastHttpUser}[os.environ["CLIENT"]]):
    host = f"http://127.0.0.1:{Path('port').read_text()}"

    @task
    def visit(self):
        self.client.get("/")
PY
try() {
  rm -f port sent-*
  python3 stall.py 2> log &
  server=$!
  for _ in $(seq 300); do [ ! -s port ] || break; sleep 0.1; done
  code=0
  CLIENT=$1 venv/bin/locust --headless --users 4 --spawn-rate 4 --run-time 10 --only-summary --csv run "${@:2}" > locust.log 2>&1 || code=$?
  kill "$server"
  wait "$server" 2> /dev/null || true
  server=
  figures=$(venv/bin/python -c '
import csv
total = list(csv.DictReader(open("run_stats.csv")))[-1]
print("reported", total["Request Count"] + ", failed", total["Failure Count"])')
  seen="sent $(ls sent-* | wc -l), $figures, exit code $code"
  echo "$*: $seen"
  [ "$seen" = "sent 24, reported 20, failed 0, exit code 0" ]
}
try HttpUser
try FastHttpUser
try HttpUser --stop-timeout 2
