"""A program that adds latency to a TCP server: what passes through it is late by half a round trip each way.

It is a pipe with a latency, not a queue: every piece has its own due time, and any number of pieces are under way
at once. It also stands for the round trip of TCP's handshake. The client's own connect() ends at once, since it ends
here; so what the client says before a round trip has passed counts as said only then, and the server sees the
connection when the last packet of the handshake would reach it. From connect() to its first response a client waits for
two round trips, as over a real link, and for one on each exchange after that. A server that refuses shows as a
connection that is reset.

Standard library only, and one thread. Python rounds epoll's timeout up to whole milliseconds, so the loop waits with
select(), which takes microseconds, for the one descriptor of the epoll (or kqueue) that watches all the others.
"""

from __future__ import annotations

import argparse
import errno
import resource
import select
import selectors
import socket
import sys
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from functools import partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOOPBACK: Final = "127.0.0.1"
READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE
PIECE_BYTES: Final = 256 * 1024  # the most that is taken off a socket at once
WINDOW_BYTES: Final = 16 * 1024 * 1024  # under way in one direction of a connection before its sender has to wait
BACKLOG: Final = 1024
BREATH_SECONDS: Final = 0.01  # until it is tried again to let a client in, after there was no file descriptor left
OVERSLEEP_STEP: Final = 0.5e-6
OVERSLEEP_MOST: Final = 100e-6  # a busy machine may be later than that; it would be no use to stay awake for it
DROP: Final = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger, on and for no time: close() sends a reset


class Loop:
    """Waits for sockets that are ready and for what is due, whichever comes first."""

    def __init__(self) -> None:
        self.now = monotonic()
        self.buffer = memoryview(bytearray(PIECE_BYTES))
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._oversleep = 0.0  # seconds
        self._numbers = count()  # what is due at one instant is done in the order in which it came

    def at(self, due: float, action: Callable[[], None]) -> None:
        heappush(self._due, (due, next(self._numbers), action))

    def watch(self, one: socket.socket | int, had: int, wanted: int, action: Callable[[int], None]) -> None:
        """Call `action` with the events that are ready, from those of `wanted`; it was called for those of `had`."""
        if not wanted:
            self._selector.unregister(one)
        elif had:
            self._selector.modify(one, wanted, action)
        else:
            self._selector.register(one, wanted, action)

    def run(self) -> NoReturn:
        due = self._due
        while True:
            events = self._ready()
            self.now = monotonic()
            for key, ready in events:
                key.data(ready)
            while due and due[0][0] <= monotonic():
                heappop(due)[2]()

    def _ready(self) -> Sequence[tuple[selectors.SelectorKey, int]]:
        if not self._due:
            return self._selector.select()
        alarm = self._due[0][0] - self._oversleep
        wait = alarm - monotonic()
        ready, _, _ = select.select([self._selector], [], [], max(0.0, wait))
        if ready:
            return self._selector.select(0)
        if wait > 0:
            self._learn(monotonic() - alarm)
        return ()

    def _learn(self, overslept: float) -> None:
        """Set the alarm as early as the system wakes us late, and stay awake for the rest: nothing leaves too early.

        The lower quartile of what we oversleep, so that little time is spent awake.
        """
        step = OVERSLEEP_STEP if overslept > self._oversleep else -3 * OVERSLEEP_STEP
        self._oversleep = min(OVERSLEEP_MOST, max(0.0, self._oversleep + step))


class ProxySide:
    """One side of a connection through the proxy: the client's or the server's socket, and what is to go out on it.

    What is heard on it reaches the peer half a round trip later, and at the earliest half a round trip after `opened`.
    """

    __slots__ = (
        "_connecting",
        "_events",
        "_heard_all",
        "_loop",
        "_opened",
        "_outbox",
        "_said_all",
        "_seconds",
        "_socket",
        "peer",
        "under_way",
    )

    peer: ProxySide

    def __init__(self, loop: Loop, seconds: float, opened: float) -> None:
        self.under_way = 0  # bytes that the peer has heard and this side has not yet said
        self._loop = loop
        self._seconds = seconds
        self._opened = opened
        self._socket: socket.socket | None = None
        self._connecting = False
        self._heard_all = False
        self._said_all = False
        self._outbox: deque[bytes | memoryview] = deque()  # an empty piece is the end
        self._events = 0

    def take(self, accepted: socket.socket) -> None:
        """Be the client's side, on the socket that it was let in by."""
        self._socket = _prompt(accepted)
        self.watch()

    def connect(self, family: int, address: tuple[object, ...]) -> None:
        """Be the server's side."""
        try:
            self._socket = _prompt(socket.socket(family, socket.SOCK_STREAM))
        except OSError:  # no file descriptor left
            self.break_off()
            return
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
        return max(self._loop.now, self._opened) + self._seconds

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


class Relay(ABC):
    """Lets clients in, and gives each its own connection to a server.

    Raises:
        OSError: the port cannot be had.
    """

    side: ClassVar[type[ProxySide]] = ProxySide  # the server's

    def __init__(self, port: int, round_trip_seconds: float = 0.0) -> None:
        self._listener = socket.create_server((LOOPBACK, port), backlog=BACKLOG)
        self._listener.settimeout(0)
        self._round_trip = round_trip_seconds
        self._loop = Loop()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @abstractmethod
    def reach(self, server: ProxySide) -> None:
        """Connect the server's side of a new client."""

    def run(self) -> NoReturn:
        self._let_in()
        self._loop.run()

    def _let_in(self) -> None:
        self._loop.watch(self._listener, 0, READ, self._accept)

    def _accept(self, _events: int) -> None:
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # no file descriptor left: clients wait in the kernel's queue until others have gone
            self._loop.watch(self._listener, READ, 0, self._accept)
            self._loop.at(self._loop.now + BREATH_SECONDS, self._let_in)
            return
        opened = self._loop.now + self._round_trip
        client = ProxySide(self._loop, self._round_trip / 2, opened)
        server = self.side(self._loop, self._round_trip / 2, opened)
        client.peer, server.peer = server, client
        self._loop.at(opened + self._round_trip / 2, partial(self.reach, server))
        client.take(accepted)


class Proxy(Relay):
    """To one server.

    Raises:
        OSError: the port cannot be had, or the server's name is not known.
    """

    def __init__(self, port: int, server: tuple[str, int], round_trip_seconds: float) -> None:
        super().__init__(port, round_trip_seconds)
        family, _, _, _, address = socket.getaddrinfo(*server, type=socket.SOCK_STREAM)[0]
        self._connect = partial(ProxySide.connect, family=family, address=address)

    def reach(self, server: ProxySide) -> None:
        self._connect(server)


def _prompt(one: socket.socket) -> socket.socket:
    one.settimeout(0)
    with suppress(OSError):  # macOS refuses that of a connection that is reset already
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def _be_punctual() -> None:
    """Ask Linux not to put off our timers by the 50 µs that it may otherwise save wake-ups with."""
    with suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1")


def be_roomy() -> None:
    """Use all the file descriptors that the system lets us have: each connection takes two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=int, default=0, metavar="PORT", help="on loopback (default: a free one)")
    parser.add_argument("--to", required=True, metavar="HOST:PORT", help="the server")
    parser.add_argument("--round-trip-ms", type=float, required=True, metavar="MS")
    arguments = parser.parse_args()
    host, _, port = arguments.to.rpartition(":")
    try:
        proxy = Proxy(arguments.listen, (host, int(port)), arguments.round_trip_ms / 1000)
    except OSError as error:
        sys.exit(f"No way from port {arguments.listen} on {LOOPBACK} to {arguments.to}: {error}")
    _be_punctual()
    be_roomy()
    sys.stdout.write(f"{proxy.port}\n")
    sys.stdout.flush()
    # No signal is handled: at any death the kernel closes both sides of every connection.
    proxy.run()


if __name__ == "__main__":
    main()
