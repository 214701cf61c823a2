#!/usr/bin/env bash
# Workers that are replaced after so many requests, under uvicorn, hypercorn, and gunicorn with its own ASGI worker.
#
# Expected: a server that replaces a worker answers the requests that the worker has accepted, as gunicorn does.
# Seen: uvicorn and hypercorn drop some: clients see the connection reset or closed without a response. The worker stops
#   at its limit while new clients are still in the queue of its socket.
# Who meets it: who recycles workers against leaks (--limit-max-requests, --max-requests) without a proxy that retries.
# Versions: uvicorn 0.54.0, Hypercorn 0.18.0, gunicorn 27.0.1; CPython 3.11.7.
# Output seen, of up to 3000 requests by 16 clients, 2 workers, 20 requests each: "uvicorn: lost within 528 requests",
#   "hypercorn: lost within 48 requests", "gunicorn: none lost of 3008 requests" (the first two numbers vary).
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check uvicorn==0.54.0 hypercorn==0.18.0 gunicorn==27.0.1
cat > app.py <<'PY'
import asyncio


async def application(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("HTTP only")
    await asyncio.sleep(0.01)
    headers = [(b"content-length", b"2"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})
PY
cat > ask.py <<'PY'
import http.client
import sys
from concurrent.futures import ThreadPoolExecutor


def ask(_):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
        connection.request("GET", "/")
        return connection.getresponse().read() == b"ok"
    except (OSError, http.client.HTTPException):
        return False


asked = 0
with ThreadPoolExecutor(16) as pool:
    while asked < 3000:
        asked += 16
        if not all(pool.map(ask, range(16))):
            print(f"lost within {asked} requests")
            break
    else:
        print(f"none lost of {asked} requests")
PY
try() {
  name=$1
  shift
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  "$@" "127.0.0.1:$port" "$port" > log 2>&1 &
  server=$!
  for _ in $(seq 300); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break; sleep 0.1; done
  said=$(venv/bin/python ask.py "$port")
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=
  echo "$name: $said"
}
by_uvicorn() { exec venv/bin/uvicorn --port "$2" --workers 2 --limit-max-requests 20 --lifespan off app:application; }
by_hypercorn() { exec venv/bin/hypercorn --bind "$1" --workers 2 --max-requests 20 app:application; }
by_gunicorn() { exec venv/bin/gunicorn -k asgi --bind "$1" --workers 2 --max-requests 20 app:application; }
try uvicorn by_uvicorn
case $said in lost*) ;; *) exit 1 ;; esac
try hypercorn by_hypercorn
case $said in lost*) ;; *) exit 1 ;; esac
try gunicorn by_gunicorn
case $said in none*) ;; *) exit 1 ;; esac
