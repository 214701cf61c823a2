#!/usr/bin/env bash
# psycopg 3, and attempts to connect that run into connect_timeout.
#
# Expected: an attempt that ends as ConnectionTimeout is over: its socket is closed, as psycopg2 closes it.
# Seen: the socket stays open until Python's garbage collector finds what holds it. The server goes on to have a client, and
#   PostgreSQL a session if the login had got that far.
# Why: the generator of the attempt holds the libpq connection (PGconn). It is a local of connect(), and so is the exception,
#   whose traceback holds the frame of connect(): a cycle. Other failures finish the PGconn (finish_pgconn), and a timeout
#   does not.
# Who meets it: sites whose database stops answering for a while, with connect_timeout set so that requests end: each try
#   leaves a socket. With few allocations, or gc.freeze() or gc.disable() in a worker, it stays for long.
# Versions: psycopg 3.3.9 (binary, libpq 18), psycopg2 2.9.13 (libpq 17), CPython 3.11.7.
# Output seen: "psycopg: 3 timed out, 3 sockets left, 0 after a collection; psycopg2: 3 timed out, 0 sockets left".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'psycopg[binary]==3.3.9' psycopg2-binary==2.9.13
cat > attempts.py <<'PY'
import gc
import os
import socket

import psycopg
import psycopg2

listener = socket.create_server(("127.0.0.1", 0))  # accepts, and says nothing
where = {"host": "127.0.0.1", "port": listener.getsockname()[1], "user": "me", "dbname": "me", "sslmode": "disable"}


def sockets():
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:
            pass
    return found


def attempts(driver):
    ended = 0
    for _ in range(3):
        try:
            driver.connect(**where, connect_timeout=2)
        except driver.OperationalError:
            ended += 1
    return ended


gc.disable()
before = sockets()
said = f"psycopg: {attempts(psycopg)} timed out, {sockets() - before} sockets left"
gc.collect()
said += f", {sockets() - before} after a collection"
before = sockets()
print(f"{said}; psycopg2: {attempts(psycopg2)} timed out, {sockets() - before} sockets left")
PY
seen=$(venv/bin/python attempts.py)
echo "$seen"
[ "$seen" = "psycopg: 3 timed out, 3 sockets left, 0 after a collection; psycopg2: 3 timed out, 0 sockets left" ]
