"""HTTP clients in threads of the lab: a fixed number of them, of requests each, and no clock."""

from __future__ import annotations

import http.client
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final

from loadlab.system.background import together
from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE_SECONDS: Final = 60.0  # no response at all is a failed request; every limit under test is shorter
FAULT: Final = 400  # and above


class Client:
    """Asks 127.0.0.1:`port`, on one TCP connection for as long as the server lets it, or on a new one each time."""

    def __init__(self, port: int, *, keep_alive: bool, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=patience_seconds)
        self._keep_alive = keep_alive

    def ask(self, path: str) -> bool:
        """Whether the request was answered as it should be."""
        try:
            self._connection.request("GET", path, headers={} if self._keep_alive else {"Connection": "close"})
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self.hang_up()
            return False
        if not self._keep_alive:
            self.hang_up()  # runserver closes, too, but does not say so
        return response.status < FAULT

    def hang_up(self) -> None:
        self._connection.close()


class ClientPool:
    """Clients that ask all at once. They go on from one call to the next, with the connections that they keep."""

    def __init__(
        self, port: int, clients: int, *, keep_alive: bool, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._clients = [Client(port, keep_alive=keep_alive, patience_seconds=patience_seconds) for _ in range(clients)]

    def ask(self, path: str, each: int = 1) -> int:
        """Have each client ask so many times, one after the other; returns how many requests failed."""
        return sum(together([partial(_failed, client, path, each) for client in self._clients]))

    def hang_up(self) -> None:
        for client in self._clients:
            client.hang_up()


def _failed(client: Client, path: str, each: int) -> int:
    return sum(not client.ask(path) for _ in range(each))


def ask_for_number(port: int, path: str, headers: Mapping[str, str]) -> int:
    """Send one request on a new connection; returns the number in the response, 0 without one."""
    said = answer(port, path, headers=headers) or b""
    return int(said) if said.isdigit() else 0


def answer(
    port: int, path: str, *, headers: Mapping[str, str] | None = None, patience_seconds: float = PATIENCE_SECONDS
) -> bytes | None:
    """Send one request on a new connection; returns the response, None if the request failed."""
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=patience_seconds)) as connection:
        try:
            connection.request("GET", path, headers={"Connection": "close", **(headers or {})})
            response = connection.getresponse()
            said = response.read()
        except (OSError, http.client.HTTPException):
            return None
    return said if response.status < FAULT else None
