"""The site's task as a message to a Channels consumer, and a client that sends it on its WebSocket."""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from contextlib import suppress

import django
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.apps import apps

from loadlab.sample_app.work import PATIENCE_SECONDS, PORT, fixed, perform

if not apps.ready:  # daphne imports this module first
    django.setup()

run_sync = fixed("run_sync", sync_to_async)
UPGRADE = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
TEXT = 0x81  # a frame that is the whole of a text
MASKED = 0x80


class Consumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # no types there
    """Works on each message, and says so."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:  # noqa: ARG002
        await run_sync(perform)(*json.loads(text_data or "[]"))
        await self.send(text_data="done")


application = Consumer.as_asgi()


class WebSocketClient:
    """Keeps one WebSocket open, as a page of a browser does; opens another when the server has ended it."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None

    def send(self, message: str) -> None:
        """Send a text, and wait for the answer, or until the consumer ends."""
        line = self._line = self._line or _opened()
        with suppress(OSError):
            # Masked, as clients must; by nothing.
            line.sendall(bytes([TEXT, MASKED | len(message)]) + bytes(4) + message.encode())
            answer = line.recv(2)
            if answer[:1] == bytes([TEXT]):
                line.recv(answer[1])
                return
        line.close()
        self._line = None


def _opened() -> socket.socket:
    line = _connected()
    key = base64.b64encode(os.urandom(16)).decode()
    line.sendall(f"{UPGRADE}\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    came = b""
    while not came.endswith(b"\r\n\r\n") and (more := line.recv(1)):
        came += more
    return line


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


client = WebSocketClient()


def send(number: int, size: int, query: bool) -> None:  # noqa: FBT001
    client.send(json.dumps([number, size, query]))
