#!/usr/bin/env bash
# Django Channels, and two websocket consumers: one queries by database_sync_to_async, the other only echoes, in pure async code.
#
# Expected: the echo is answered while the other consumer's query runs: the query is in a thread, and the event loop is free.
# Seen: the echo is answered once the query has ended. So a query of 3 s stops all messages to all consumers of the process for 3 s, whether
#   or not they use a database. Nothing is logged. An async view of Django in the same process is answered at once.
# Why: since Channels 4.2.0, AsyncConsumer.dispatch() closes old connections before each message, by sync_to_async. A websocket has no
#   ThreadSensitiveContext, which Django makes for each HTTP request, so all consumers share the process's one thread for such
#   code, and the message waits until that thread is free.
# Who meets it: chats and live pages, and load tests of them: latency follows the slowest query of anybody. database_sync_to_async(...,
#   thread_sensitive=False) takes a query off that thread, but its thread keeps the connection.
# Versions: channels 4.3.2, daphne 4.2.3, uvicorn 0.54.0, Django 5.2.19, asgiref 3.13.0, CPython 3.11.7.
# Output seen: "uvicorn: echo alone answered; during a query not within 5 s, afterwards answered; view during a query answered", daphne alike.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; wait 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  channels==4.3.2 daphne==4.2.3 uvicorn==0.54.0 django==5.2.19 asgiref==3.13.0 websockets
cat > chat.py <<'PY'
import time
from pathlib import Path

from django.conf import settings

database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(ROOT_URLCONF="chat", ALLOWED_HOSTS=["*"], SECRET_KEY="x", DATABASES={"default": database})
from django.core.asgi import get_asgi_application

http = get_asgi_application()
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.http import HttpResponse
from django.urls import path


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data)


def query():  # as long as the client likes
    Path("begun").touch()
    while not Path("end").exists():
        time.sleep(0.05)


class Reader(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await database_sync_to_async(query)()


async def view(request):
    return HttpResponse("answered")


urlpatterns = [path("view", view)]
websockets = URLRouter([path("echo", Echo.as_asgi()), path("reader", Reader.as_asgi())])
application = ProtocolTypeRouter({"http": http, "websocket": websockets})
PY
cat > ask.py <<'PY'
import asyncio
import sys
import urllib.request
from pathlib import Path

import websockets

port = sys.argv[1]


async def answer(echo, seconds):
    try:
        return await asyncio.wait_for(echo.recv(), seconds)
    except TimeoutError:
        return f"not within {seconds} s"


async def main():
    address = f"ws://127.0.0.1:{port}"
    async with websockets.connect(f"{address}/echo") as echo, websockets.connect(f"{address}/reader") as reader:
        await echo.send("answered")
        alone = await answer(echo, 60)
        await reader.send("read")
        while not Path("begun").exists():
            await asyncio.sleep(0.05)
        await echo.send("answered")
        during = await answer(echo, 5)
        view = (await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/view", timeout=60)).read().decode()
        Path("end").touch()
        afterwards = await answer(echo, 60)
    print(f"echo alone {alone}; during a query {during}, afterwards {afterwards}; view during a query {view}")


asyncio.run(main())
PY
expected="echo alone answered; during a query not within 5 s, afterwards answered; view during a query answered"
try() {
  rm -f begun end
  "${@:2}" > "log-$1" 2>&1 &
  server=$!
  for _ in $(seq 300); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2> /dev/null && break; sleep 0.1; done
  seen=$(venv/bin/python ask.py "$port")
  kill "$server"
  wait "$server" 2> /dev/null || true
  server=
  echo "$1: $seen"
  [ "$seen" = "$expected" ]
}
free_port() { port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'); }
free_port
try uvicorn venv/bin/uvicorn --port "$port" --log-level warning chat:application
free_port
try daphne venv/bin/daphne --port "$port" chat:application
