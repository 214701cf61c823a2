#!/usr/bin/env bash
# Django's FileResponse under gunicorn, in a project with the Sentry SDK.
#
# Expected: an SDK for errors leaves the sending of responses to the server. gunicorn sends a file by os.sendfile(): the kernel copies it,
#   and the worker is busy for one call.
# Seen: with sentry_sdk.init(), sendfile is never used. The worker reads the file in blocks and writes each: hundreds of turns of
#   Python for 3 MB, in each download, with tracing off as well. Nothing is logged.
# Why: gunicorn knows a file by the class of wsgi.file_wrapper that it handed out. The SDK wraps each WSGI response in an object of
#   its own (_ScopedResponse). It leaves files alone where uWSGI offloads them, and nowhere else.
# Who meets it: downloads that Django serves under gunicorn, after Sentry was added. The workers' CPU is the only sign.
# Versions: sentry-sdk 2.75.0, gunicorn 27.0.1, Django 5.2.19, CPython 3.11.7.
# Output seen: "without Sentry: 1 sendfile, 0 blocks; with Sentry: 0 sendfile, 734 blocks".
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check django==5.2.19 gunicorn==27.0.1 sentry-sdk==2.75.0
head -c 3000000 /dev/zero > file
cat > site_.py <<'PY'
import os
from collections import Counter

import sentry_sdk

if os.environ["WITH"] == "sentry":
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1")
import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse
from django.urls import path
from gunicorn.http.wsgi import FileWrapper

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="findings")
django.setup()
calls = Counter()


def counted(name, function):
    def call(*arguments):
        calls[name] += 1
        return function(*arguments)

    return call


os.sendfile = counted("sendfile", os.sendfile)
FileWrapper.__next__ = counted("blocks", FileWrapper.__next__)
urlpatterns = [
    path("file", lambda request: FileResponse(open("file", "rb"))),
    path("calls", lambda request: HttpResponse(f"{calls['sendfile']} sendfile, {calls['blocks']} blocks")),
]
application = get_wsgi_application()
PY
for with in nothing sentry; do
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  WITH=$with venv/bin/gunicorn --bind "127.0.0.1:$port" site_ 2> log &
  server=$!
  until curl --silent "http://127.0.0.1:$port/calls" > /dev/null; do sleep 0.2; done
  [ "$(curl --silent "http://127.0.0.1:$port/file" | wc -c)" = 3000000 ]
  curl --silent "http://127.0.0.1:$port/calls" > "$with"
  kill "$server"
  wait "$server" 2> /dev/null || true
done
echo "without Sentry: $(cat nothing); with Sentry: $(cat sentry)"
[ "$(cat nothing)" = "1 sendfile, 0 blocks" ]
[ "$(cat sentry)" = "0 sendfile, 734 blocks" ]
