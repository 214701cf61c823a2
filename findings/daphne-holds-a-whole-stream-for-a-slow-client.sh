#!/usr/bin/env bash
# A long stream under daphne, as of an export, to a client that reads slowly.
#
# Expected: `await send()` waits until the client has taken most of what was sent, as under uvicorn: a few parts are on their way, and the
#   generator goes on when there is room. So a stream costs little memory, however long it is.
# Seen: send() never waits. daphne takes the whole stream as fast as the application makes it, and keeps it in its memory until the
#   client has read it: 200 MB for an export of 200 MB, for each such client.
# Why: daphne hands each part to Twisted's transport.write(), which buffers any amount, and registers no producer that would tell it to pause.
# Who meets it: sites of Channels, which daphne serves by default, with exports or files as StreamingHttpResponse or FileResponse. A stream is
#   written that way to save memory. And a load test with fast clients on one machine does not show it.
# Versions: daphne 4.2.3, Twisted 26.10.0, uvicorn 0.54.0, CPython 3.11.7.
# Output seen, of 200 parts of 1 MB, the client has read none: "daphne: 200 parts sent, 189 MB more memory; uvicorn: 5 parts sent, 4 MB more".
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; wait 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check daphne==4.2.3 twisted==26.10.0 uvicorn==0.54.0
cat > export.py <<'PY'
import asyncio


async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for sent in range(1, 201):
        await send({"type": "http.response.body", "body": bytes([sent]) * 1_000_000, "more_body": True})
        with open("sent", "w") as file:
            print(sent, file=file)
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})
PY
cat > read_nothing.py <<'PY'
import socket
import sys
import time
from pathlib import Path

port, server = sys.argv[1:]


def megabytes():
    status = Path(f"/proc/{server}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def sent():
    try:
        return int(Path("sent").read_text() or 0)
    except FileNotFoundError:
        return 0


Path("sent").unlink(missing_ok=True)
before = megabytes()
with socket.create_connection(("127.0.0.1", int(port))) as client:
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    deadline = time.monotonic() + 120
    seen, since = 0, time.monotonic()
    while sent() < 200 and time.monotonic() - since < 5:  # until all is sent, or nothing more comes
        assert time.monotonic() < deadline
        if sent() != seen or not seen:
            seen, since = sent(), time.monotonic()
        time.sleep(0.1)
    print(sent(), max(0, megabytes() - before))
PY
try() {
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  "venv/bin/$1" --port "$port" "${@:2}" export:application > log 2>&1 &
  server=$!
  for _ in $(seq 300); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2> /dev/null && break; sleep 0.1; done
  read -r parts memory < <(venv/bin/python read_nothing.py "$port" "$server")
  kill "$server"
  wait "$server" 2> /dev/null || true
  server=
}
try daphne
daphne="$parts parts sent, $memory MB more"
[ "$parts" = 200 ]
[ "$memory" -ge 150 ]
try uvicorn --lifespan off --log-level error
echo "daphne: $daphne memory; uvicorn: $parts parts sent, $memory MB more"
[ "$parts" -le 50 ]
[ "$memory" -le 60 ]
