"""The site's task as a message to a Channels consumer, and a client that sends it on a WebSocket."""

from __future__ import annotations

import base64
import json
import os
import socket
import time

import django
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.apps import apps

from loadlab.sample_app.work import PATIENCE_SECONDS, PORT, cured, perform

if not apps.ready:  # daphne imports this module first
    django.setup()

run_sync = cured("run_sync", sync_to_async)
UPGRADE = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
TEXT = 0x81  # the whole of a text
MASKED = 0x80


class Consumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # no types there
    """Works on each message, says so and hangs up."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:  # noqa: ARG002
        await run_sync(perform)(*json.loads(text_data or "[]"))
        await self.close()


application = Consumer.as_asgi()


def send(number: int, size: int, query: bool) -> None:  # noqa: FBT001
    """Send a message, and wait until the consumer hangs up."""
    with _connected() as line:
        key = base64.b64encode(os.urandom(16)).decode()
        line.sendall(f"{UPGRADE}\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        _read_until(line, b"\r\n\r\n")
        text = json.dumps([number, size, query]).encode()
        # Masked, as clients must; by nothing.
        line.sendall(bytes([TEXT, MASKED | len(text)]) + bytes(4) + text)
        _read_until(line, None)


def _connected() -> socket.socket:
    """Daphne may be about to listen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", int(os.environ[PORT])), PATIENCE_SECONDS)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _read_until(line: socket.socket, end: bytes | None) -> None:
    came = b""
    while end is None or end not in came:
        more = line.recv(1) if end else line.recv(4096)
        if not more or (end is None and more[0] & 0x0F == 8):  # noqa: PLR2004  a WebSocket's frame that closes
            return
        came += more
