#!/usr/bin/env bash
# Dates in gunicorn's access log, where the project sets its locale, as one does to write money or dates for its users.
#
# Expected: the common log format, `[28/Nov/2026:23:31:25 +0000]`: months are English in Apache's and nginx's logs
#   whatever the locale, and log readers (GoAccess, fail2ban, Logstash's HTTPDATE) know no others.
# Seen: gunicorn takes the month from `time.strftime("%b")`, which follows `locale.setlocale(LC_ALL, ...)`. From the first
#   call on, each line of that worker has the month in the project's language, and readers refuse it or drop it. Workers
#   that have not come to that code yet write English months into the same file.
# Who meets it: a project that calls `locale.setlocale` in a view or at import, in a month whose name differs.
# Versions: gunicorn 27.0.1, CPython 3.11.7, glibc's locale ja_JP, in which each month differs
# Output seen: English before the call of setlocale, [28/11月/2026:23:57:12 +0000] after it
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check gunicorn==27.0.1
mkdir locales
localedef --inputfile ja_JP --charmap UTF-8 "$work/locales/ja_JP.UTF-8"
export LOCPATH=$work/locales PYTHONUTF8=1
cat > app.py <<'PY'
import locale


def application(environ, start_response):
    if environ["PATH_INFO"] == "/price":
        locale.setlocale(locale.LC_ALL, "ja_JP.UTF-8")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
PY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/gunicorn --bind "127.0.0.1:$port" --access-logfile access.log app:application > gunicorn.log 2>&1 &
server=$!
for _ in $(seq 300); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break; sleep 0.1; done
for path in before price after; do
  python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/$path').read()"
done
kill "$server"; wait "$server" || true; server=
cat access.log
dates=$(grep -c '/\(Jan\|Feb\|Mar\|Apr\|May\|Jun\|Jul\|Aug\|Sep\|Oct\|Nov\|Dec\)/.*GET /before' access.log)
translated=$(grep -c '/[ 0-9]*月/.*GET /\(price\|after\)' access.log)
[ "$dates" -eq 1 ] && [ "$translated" -eq 2 ]
