"""The balancer as the lab holds it."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.system.ports import LOOPBACK
from loadlab.system.processes import inherited

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from loadlab.model.fleet import Balance
    from loadlab.system.processes import Program, Register

BOOT_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 10.0
STOP_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Balancing:
    """A balancer that runs; it has no host in rotation at first."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def rotate(self, ports: Iterable[int]) -> None:
        """Give new clients to the hosts on these ports, and to no others.

        Raises:
            EnvironmentFaultError: the balancer has ended, or hangs.
        """
        self._ask("rotate", *ports)

    def drained(self, port: int, seconds: float) -> bool:
        """Wait until a host has no client any more; whether it came to that in so many seconds.

        Raises:
            EnvironmentFaultError: as `rotate`.
        """
        deadline = time.monotonic() + seconds
        while (left := self._ask("open", port) != "0") and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return not left

    def _ask(self, *words: object) -> str:
        pipe = self.program.popen.stdin
        with suppress(BrokenPipeError):
            if pipe is not None:
                pipe.write(f"{' '.join(map(str, words))}\n".encode())
                pipe.flush()
        if not (answer := self.program.hear(ANSWER_SECONDS)):
            raise EnvironmentFaultError(f"The balancer does not answer; its log ends:\n{self.program.log_tail()}")
        return answer


@contextmanager
def balancing(balance: Balance, seed: int, register: Register, log: Path) -> Iterator[Balancing]:
    """A balancer on a free port, for as long as the context lasts.

    Raises:
        EnvironmentFaultError: it does not start.
    """
    argv = [sys.executable, "-m", "loadlab.services.balancer", f"--balance={balance}", f"--seed={seed}"]
    program = register.start("The balancer", argv, log=log, environment=inherited(), pipes=True)
    try:
        port = program.hear(BOOT_SECONDS)
        if not port:
            raise EnvironmentFaultError(f"The balancer did not start; its log ends:\n{program.log_tail()}")
        yield Balancing(program, int(port))
    finally:
        program.stop(signal.SIGTERM, STOP_SECONDS)
        program.close_pipes()
