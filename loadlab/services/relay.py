"""What passes TCP connections on, each to a connection to a server, and late by half a round trip each way.

It is a pipe with a latency, not a queue: every piece has its own due time, and any number of pieces are under way
at once. It also stands for the round trip of TCP's handshake. The client's own connect() ends at once, since it ends
here; so what the client says before a round trip has passed counts as said only then, and the server sees the
connection when the last packet of the handshake would reach it. From connect() to its first response a client waits for
two round trips, as over a real link, and for one on each exchange after that. A server that refuses shows as a
connection that is reset.

Standard library only, and one thread.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
import sys
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

from loadlab.services.loop import READ, WRITE, Loop

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK: Final = "127.0.0.1"
WINDOW_BYTES: Final = 16 * 1024 * 1024  # under way in one direction of a connection before its sender has to wait
BACKLOG: Final = 1024
BREATH_SECONDS: Final = 0.01  # until it is tried again to let a client in, after there was no file descriptor left
STDIN: Final = 0
STDOUT: Final = 1
LINE_BYTES: Final = 65536
OK: Final = "ok"
DROP: Final = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger, on and for no time: close() sends a reset


@dataclass(slots=True, eq=False)
class Link:
    """What lies between clients and server: how long a piece takes `one_way`, in seconds, and the `sides` there are."""

    one_way: float = 0.0
    sides: set[ProxySide] = field(default_factory=set)


class ProxySide:
    """One side of a connection through the proxy: the client's or the server's socket, and what is to go out on it.

    What is heard on it reaches the peer half a round trip later, and at the earliest half a round trip after `opened`.
    Where the link becomes faster, no piece comes before an earlier one.
    """

    __slots__ = (
        "_arrives",
        "_connecting",
        "_events",
        "_heard_all",
        "_link",
        "_loop",
        "_outbox",
        "_reset",
        "_said_all",
        "_socket",
        "peer",
        "under_way",
    )

    peer: ProxySide

    def __init__(self, loop: Loop, link: Link, opened: float) -> None:
        self.under_way = 0  # bytes that the peer has heard and this side has not yet said
        self._loop = loop
        self._link = link
        self._arrives = opened + link.one_way  # what was heard last
        self._socket: socket.socket | None = None
        self._connecting = False
        self._reset = False
        self._heard_all = False
        self._said_all = False
        self._outbox: deque[bytes | memoryview] = deque()  # an empty piece is the end
        self._events = 0

    def take(self, accepted: socket.socket) -> None:
        """Be the client's side, on the socket that it was let in by."""
        self._socket = _prompt(accepted)
        self._link.sides.add(self)
        self.watch()

    def connect(self, family: int, address: tuple[object, ...]) -> None:
        """Be the server's side, unless the client is gone by a reset."""
        if self._reset:
            return
        try:
            self._socket = _prompt(socket.socket(family, socket.SOCK_STREAM))
        except OSError:  # no file descriptor left
            self.break_off()
            return
        self._link.sides.add(self)
        if self._socket.connect_ex(address) not in {0, errno.EINPROGRESS}:
            self.break_off()
            return
        self._connecting = True
        self.watch()

    def deliver(self, piece: bytes) -> None:
        """Say what the peer has heard; an empty piece is the end of it."""
        if self._socket is not None:
            self._outbox.append(piece)
            if len(self._outbox) == 1 and not self._connecting:
                self._say()

    def reset(self) -> None:
        """End the connection on this side as it has ended on the other: at once, even with data still to come."""
        self._reset = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DROP)
            self.close()

    def watch(self) -> None:
        """Have the loop look for what there is to do, no more and no less."""
        if self._socket is None:
            return
        if self._heard_all and self._said_all:
            self.close()
            return
        hears = not self._heard_all and not self._connecting and self.peer.under_way < WINDOW_BYTES
        wanted = (READ if hears else 0) | (WRITE if self._outbox or self._connecting else 0)
        if wanted != self._events:
            self._loop.watch(self._socket, self._events, wanted, self._ready)
            self._events = wanted

    def _ready(self, events: int) -> None:
        if events & WRITE and self._socket is not None:
            self._arrived() if self._connecting else self._say()
        if events & READ and self._socket is not None:
            self._hear()

    def _arrived(self) -> None:
        if self._socket is None or self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.break_off()
        else:
            self._connecting = False
            self._say()

    def _hear(self) -> None:
        if self._socket is None:
            return
        try:
            length = self._socket.recv_into(self._loop.buffer)
        except BlockingIOError:
            return
        except OSError:
            self.break_off()
            return
        self._heard_all = not length
        peer = self.peer
        peer.under_way += length
        self._loop.at(self._arrival(), partial(peer.deliver, bytes(self._loop.buffer[:length])))
        if self._heard_all or peer.under_way >= WINDOW_BYTES:
            self.watch()

    def _say(self) -> None:
        if self._socket is None:
            return
        outbox = self._outbox
        try:
            while outbox:
                piece = outbox[0]
                if piece:
                    sent = self._socket.send(piece)
                    self.under_way -= sent
                    if sent < len(piece):
                        outbox[0] = memoryview(piece)[sent:]
                        continue
                else:
                    self._socket.shutdown(socket.SHUT_WR)
                    self._said_all = True
                outbox.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self.break_off()
            return
        self.watch()
        self.peer.watch()

    def _arrival(self) -> float:
        self._arrives = max(self._arrives, self._loop.now + self._link.one_way)
        return self._arrives

    def break_off(self) -> None:
        """The connection has ended here without an end: the peer hears of it as late as of everything."""
        self.close()
        self._loop.at(self._arrival(), self.peer.reset)

    def close(self) -> None:
        if self._socket is None:
            return
        if self._events:
            self._loop.watch(self._socket, self._events, 0, self._ready)
        self._socket.close()
        self._socket = None
        self._outbox.clear()
        self._link.sides.discard(self)

    def filter(self, attach: Callable[[socket.socket], None]) -> None:
        """Change what the kernel does with packets that come to this side."""
        if self._socket is not None:
            attach(self._socket)


class Relay(ABC):
    """Lets clients in, and gives each its own connection to a server.

    It reads commands from its standard input, a line each, answers each with a line, and ends when its input does.

    Raises:
        OSError: the port cannot be had.
    """

    side: ClassVar[type[ProxySide]] = ProxySide  # the server's
    shared_port: ClassVar[bool] = False  # with other sockets of ours

    def __init__(self, port: int, round_trip_seconds: float = 0.0) -> None:
        self._listener = self._listening(port)
        self._link = Link(round_trip_seconds / 2)
        self._accepted_late = 0.0  # seconds
        self._loop = Loop()
        self._heard = b""

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def _listening(self, port: int) -> socket.socket:
        listener = socket.create_server((LOOPBACK, port), backlog=BACKLOG, reuse_port=self.shared_port)
        listener.settimeout(0)
        return listener

    @abstractmethod
    def reach(self, server: ProxySide) -> None:
        """Connect the server's side of a new client."""

    @abstractmethod
    def answer(self, command: str) -> str:
        """Do what a command says."""

    def run(self) -> NoReturn:
        os.write(STDOUT, f"{self.port}\n".encode())
        self._loop.watch(STDIN, 0, READ, self._hear)
        self._let_in()
        self._loop.run()

    def _hear(self, _events: int) -> None:
        heard = os.read(STDIN, LINE_BYTES)
        if not heard:
            sys.exit()
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            os.write(STDOUT, f"{self.answer(line.decode())}\n".encode())

    def _let_in(self) -> None:
        self._loop.watch(self._listener, 0, READ, self._accept)

    def _accept(self, _events: int) -> bool:
        """Whether there may be another to accept."""
        try:
            accepted, _ = self._listener.accept()
        except BlockingIOError:
            return False
        except ConnectionAbortedError:
            return True
        except OSError:  # no file descriptor left: clients wait in the kernel's queue until others have gone
            self._loop.watch(self._listener, READ, 0, self._accept)
            self._loop.at(self._loop.now + BREATH_SECONDS, self._let_in)
            return False
        link = self._link
        opened = self._loop.now + 2 * link.one_way + self._accepted_late
        client = ProxySide(self._loop, link, opened)
        server = self.side(self._loop, link, opened)
        client.peer, server.peer = server, client
        self._loop.at(opened + link.one_way, partial(self.reach, server))
        client.take(accepted)
        return True


def _prompt(one: socket.socket) -> socket.socket:
    one.settimeout(0)
    with suppress(OSError):  # macOS refuses that of a connection that is reset already
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def be_roomy() -> None:
    """Use all the file descriptors that the system lets us have: each connection takes two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
