"""A program that balances client connections over the hosts in rotation, and tells how many each host still has.

It reads commands from its standard input, a line each, and answers each with a line:

- `rotate 8001 8002` puts the hosts on these ports of loopback into the rotation, and all others out of it: "ok".
  What a host has been given stays with it.
- `open 8001` asks how many connections a host has: "3".

It ends when its standard input does.
"""

from __future__ import annotations

import argparse
import random
import socket
from collections import Counter
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

from loadlab.services.relay import LOOPBACK, OK, ProxySide, Relay, be_roomy

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.services.loop import Loop
    from loadlab.services.relay import Link

BALANCES: Final = ("random", "round_robin")


class HostSide(ProxySide):
    """The side of a host, which says when the host is done with it.

    That is when the host has said all: a client that was not told to close may keep its end for long.
    """

    __slots__ = ("ended",)

    def __init__(self, loop: Loop, link: Link, opened: float) -> None:
        super().__init__(loop, link, opened)
        self.ended: Callable[[], None] | None = None

    def watch(self) -> None:
        super().watch()
        if self._heard_all:
            self._done()

    def close(self) -> None:
        super().close()
        self._done()

    def _done(self) -> None:
        ended, self.ended = self.ended, None
        if ended is not None:
            ended()


class Balancer(Relay):
    """Gives each client to a host of the rotation: to any, or to each in turn. Without a host it resets the client.

    Raises:
        OSError: the port cannot be had.
    """

    side: ClassVar[type[ProxySide]] = HostSide

    def __init__(self, port: int, balance: str, seed: int) -> None:
        super().__init__(port)
        self._chance = random.Random(seed)
        self._at_random = balance == "random"
        self._rotation: list[int] = []
        self._turn = 0
        self._open: Counter[int] = Counter()

    def reach(self, server: ProxySide) -> None:
        if not self._rotation or not isinstance(server, HostSide):
            server.break_off()
            return
        port = self._next()
        self._open[port] += 1
        server.ended = lambda: self._open.subtract([port])
        server.connect(socket.AF_INET, (LOOPBACK, port))

    def answer(self, command: str) -> str:
        verb, *ports = command.split()
        if verb == "rotate":
            self._rotation = [int(port) for port in ports]
            return OK
        return str(self._open[int(ports[0])])

    def _next(self) -> int:
        if self._at_random:
            return self._chance.choice(self._rotation)
        self._turn += 1
        return self._rotation[self._turn % len(self._rotation)]


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", type=int, default=0, metavar="PORT", help="on loopback (default: a free one)")
    parser.add_argument("--balance", choices=BALANCES, default=BALANCES[0])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    balancer = Balancer(arguments.listen, arguments.balance, arguments.seed)
    be_roomy()
    balancer.run()


if __name__ == "__main__":
    main()
