"""A load that costs the lab next to nothing: many requests under way in one thread, and nothing of them parsed."""

from __future__ import annotations

import selectors
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Final

from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from selectors import SelectorKey

PATIENCE_SECONDS: Final = 60.0
MOST_BYTES: Final = 65_536  # of a response that are read at once
GOOD: Final = b"HTTP/1.1 200 "


def send_flood(port: int, path: str, *, at_once: int, requests: int) -> int:
    """Send requests to 127.0.0.1:`port`, so many at once, each on its own connection; returns how many failed.

    The server has to end each connection with its response, as it is asked to.
    """
    with closing(_Calls(port, path)) as calls:
        for _ in range(requests):
            if calls.under_way == at_once and not calls.wait():
                break
            calls.begin()
        while calls.under_way and calls.wait():
            pass
        return requests - calls.answered


class _Calls:
    """The requests that are under way, and how many have been `answered`."""

    def __init__(self, port: int, path: str) -> None:
        self._address = (LOOPBACK, port)
        self._asked = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode()
        self._selector = selectors.DefaultSelector()
        self.answered = 0

    @property
    def under_way(self) -> int:
        return len(self._selector.get_map())

    def begin(self) -> None:
        calling = socket.create_connection(self._address, PATIENCE_SECONDS)
        calling.sendall(self._asked)
        self._selector.register(calling, selectors.EVENT_READ, (calling, bytearray()))

    def wait(self) -> bool:
        """Read what has come; whether one more has ended, before patience has."""
        before = self.under_way
        while self.under_way == before:
            ready = self._selector.select(PATIENCE_SECONDS)
            if not ready:
                return False
            for key, _ in ready:
                self._read(key)
        return True

    def _read(self, key: SelectorKey) -> None:
        calling, response = key.data
        try:
            came = calling.recv(MOST_BYTES)
        except OSError:
            response.clear()  # it is not whole
            came = b""
        response += came
        if not came:
            self._selector.unregister(calling)
            calling.close()
            self.answered += response.startswith(GOOD)

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            calling, _ = key.data
            calling.close()
        self._selector.close()
