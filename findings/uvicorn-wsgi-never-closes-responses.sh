#!/usr/bin/env bash
# Django under `uvicorn --interface wsgi`.
#
# Expected: PEP 3333 has a server call close() of each response, "whether the request was completed normally, or
#   terminated early". Django sends request_finished from there, which ends connections older than CONN_MAX_AGE.
# Seen: uvicorn's own WSGI layer never calls it. request_finished is not sent for any request, so with CONN_MAX_AGE = 0 the
#   connection of a request stays open until its thread gets the next one, and files that responses hold are left to the
#   garbage collector. uvicorn warns that this layer is deprecated, and not of this. With a2wsgi installed, uvicorn takes
#   that in its place, and close() is called.
# Who meets it: a project that is served like this and relies on CONN_MAX_AGE = 0, request_finished or response closers.
# Versions: uvicorn 0.54.0, Django 5.2.19, a2wsgi 1.10.10; CPython 3.11.7.
# Output seen: "uvicorn alone: 20 started, 0 finished, 0 closed", "with a2wsgi: 20 started, 20 finished, 20 closed".
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check django==5.2.19 uvicorn==0.54.0
cat > app.py <<'PY'
from collections import Counter

from django.conf import settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None)
seen = Counter()
request_started.connect(lambda **_: seen.update(["started"]), weak=False)
request_finished.connect(lambda **_: seen.update(["finished"]), weak=False)


class Closing(HttpResponse):
    def close(self):
        super().close()
        seen.update(["closed"])


def view(request):
    return Closing("text")


def counts(request):  # itself has started, and not ended
    return HttpResponse(f"{seen['started'] - 1} started, {seen['finished']} finished, {seen['closed']} closed")


urlpatterns = [path("", view), path("counts", counts)]
application = get_wsgi_application()
PY
count() {
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  venv/bin/uvicorn --interface wsgi --port "$port" --no-access-log --log-level error app:application 2> log &
  server=$!
  for _ in $(seq 300); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break; sleep 0.1; done
  for _ in $(seq 20); do python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/', timeout=60).read()"; done
  seen=$(python3 -c "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:$port/counts', timeout=60).read().decode())")
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=
}
count
echo "uvicorn alone: $seen"
[ "$seen" = "20 started, 0 finished, 0 closed" ]
venv/bin/pip install --quiet --disable-pip-version-check a2wsgi==1.10.10
count
echo "with a2wsgi: $seen"
[ "$seen" = "20 started, 20 finished, 20 closed" ]
