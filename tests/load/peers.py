"""Servers that say exactly what a test wants, byte by byte, each in a separate thread."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    Script = Callable[["Peer"], object]

PATIENCE_SECONDS = 60.0


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket, number: int, server: Server) -> None:
        self.connection = connection
        self.number = number  # of the connection, from 0
        self.server = server
        self._rest = b""

    def request(self) -> bytes:
        """The next request with its body; empty when the client has closed."""
        while b"\r\n\r\n" not in self._rest:
            if not self._read():
                return b""
        head, _, after = self._rest.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: (\d+)\r?$", head)
        needed = int(length[1]) if length else 0
        while len(after) < needed:
            if not self._read():
                return b""
            after = self._rest.partition(b"\r\n\r\n")[2]
        request, self._rest = head + b"\r\n\r\n" + after[:needed], after[needed:]
        self.server.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def wait_for_close(self) -> None:
        while self._read():
            pass

    def _read(self) -> bytes:
        data = self.connection.recv(65536)
        self._rest += data
        return data


class Server:
    """Runs a script for each connection, which ends with it."""

    def __init__(self, script: Script, family: int = socket.AF_INET, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.faults: list[BaseException] = []
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(PATIENCE_SECONDS)

    def settled(self) -> None:
        """Wait until no script runs any more, and raise what went wrong in one."""
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        for fault in self.faults:
            raise fault

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(PATIENCE_SECONDS)
                thread = threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True)
                self.connections += 1
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._script(Peer(connection, number, self))
        except (ConnectionError, TimeoutError):
            pass  # the client went away, which is often what a test is about
        except OSError as error:
            if self._tls is None:
                self.faults.append(error)
        except BaseException as error:  # noqa: BLE001
            self.faults.append(error)
        finally:
            connection.close()


@contextmanager
def answering(*answers: bytes) -> Iterator[Server]:
    """Gives each connection these answers, one per request, and then closes it."""

    def script(peer: Peer) -> None:
        for answer in answers:
            if not peer.request():
                return
            peer.send(answer)

    with Server(script) as server:
        yield server


@contextmanager
def always(answer: bytes) -> Iterator[Server]:
    """Gives every request this answer, and keeps connections."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(answer)

    with Server(script) as server:
        yield server


def ok(body: bytes = b"ok", *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer with Content-Length."""
    lines = [b"HTTP/1.1 " + status, *fields, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
