"""A program that stands before a server: it adds latency, and does on command what can happen to a network.

Each command is a line of its standard input, answered by "ok"; it ends when its input does.

- `cut` resets every connection on both sides, and has new ones refused.
- `vanish` has every packet vanish. The kernel drops what comes, before TCP sees it: nothing is acknowledged, answered
  or refused. Nothing is passed on meanwhile. Linux only.
- `latency 20` adds so many milliseconds to each round trip.
- `accept 2` lets the server see each new connection so many seconds later.
- `lead 5433` leads new connections to another port of the server's host, for good.
- `restore` ends all the others.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
from array import array
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

from loadlab.services.loop import READ
from loadlab.services.relay import LOOPBACK, OK, ProxySide, Relay, be_roomy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Linux, asm-generic/socket.h; Python has no names for them.
SO_ATTACH_FILTER: Final = 26
SO_DETACH_FILTER: Final = 27
# One instruction of the classic BPF (linux/filter.h): return, so many bytes of the packet are kept.
KEEP_NOTHING: Final = array("B", struct.pack("HBBI", 0x06, 0, 0, 0))


class Proxy(Relay):
    """To one server.

    A second socket is bound to its port: no other program is given the port while connections are refused.

    Raises:
        OSError: the port cannot be had, or the server's name is not known.
    """

    shared_port: ClassVar[bool] = True

    def __init__(self, port: int, server: tuple[str, int], round_trip_seconds: float) -> None:
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind((LOOPBACK, port))
        super().__init__(self._held.getsockname()[1], round_trip_seconds)
        family, _, _, _, address = socket.getaddrinfo(*server, type=socket.SOCK_STREAM)[0]
        self._family, self._address = family, address
        self._connect = partial(ProxySide.connect, family=family, address=address)
        self._usual_one_way = self._link.one_way
        self._refuses = False
        self._drops = False
        self._commands: Mapping[str, Callable[..., None]] = {
            "cut": self._cut,
            "vanish": self._vanish,
            "latency": self._add_latency,
            "accept": self._accept_late,
            "lead": self._lead,
            "restore": self._restore,
        }

    def reach(self, server: ProxySide) -> None:
        self._connect(server)

    def answer(self, command: str) -> str:
        verb, *numbers = command.split()
        self._commands[verb](*map(float, numbers))
        return OK

    def _hear(self, events: int) -> None:
        super()._hear(events)
        while self._drops:  # waits for the next command, and does nothing else
            super()._hear(events)

    def _accept(self, events: int) -> bool:
        """None where a client came in the same moment as the command to refuse it."""
        return not self._refuses and super()._accept(events)

    def _cut(self) -> None:
        self._refuses = True
        self._loop.watch(self._listener, READ, 0, self._accept)
        self._listener.close()
        for side in list(self._link.sides):
            side.reset()

    def _vanish(self) -> None:
        _drop_all(self._listener)
        while self._accept(READ):
            pass
        self._drops = True
        for side in self._link.sides:
            side.filter(_drop_all)

    def _add_latency(self, milliseconds: float) -> None:
        self._link.one_way = self._usual_one_way + milliseconds / 1000 / 2

    def _accept_late(self, seconds: float) -> None:
        self._accepted_late = seconds

    def _lead(self, port: float) -> None:
        host, _, *others = self._address
        self._connect = partial(ProxySide.connect, family=self._family, address=(host, int(port), *others))

    def _restore(self) -> None:
        self._link.one_way, self._accepted_late = self._usual_one_way, 0.0
        if self._refuses:
            self._refuses, self._listener = False, self._listening(self._held.getsockname()[1])
            self._let_in()
        if self._drops:
            self._drops = False
            for side in self._link.sides:
                side.filter(_drop_none)
            _drop_none(self._listener)


def _drop_all(one: socket.socket) -> None:
    """Have the kernel drop every packet that comes to a socket."""
    address, _ = KEEP_NOTHING.buffer_info()
    one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, address))


def _drop_none(one: socket.socket) -> None:
    with suppress(OSError):  # it had no filter
        one.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def _be_punctual() -> None:
    """Ask Linux not to put off our timers by the 50 µs that it may otherwise save wake-ups with."""
    with suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1")


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    # No signal is handled: at any death the kernel closes both sides of every connection.
    proxy.run()


if __name__ == "__main__":
    main()
