"""The proxy as the lab holds it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.system.processes import Program

ANSWER_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class ProxyHandle:
    """A proxy that runs; see `loadlab.services.proxy` for its commands."""

    program: Program

    @contextmanager
    def during(self, *command: object) -> Iterator[None]:
        """Have it do what a command says, until the context ends.

        Raises:
            EnvironmentFaultError: the proxy has ended, or hangs.
        """
        self._tell(*command)
        try:
            yield
        finally:
            self._tell("restore")

    def lead(self, port: int) -> None:
        """Lead new connections to another port of the server's host.

        Raises:
            EnvironmentFaultError: as `during`.
        """
        self._tell("lead", port)

    def _tell(self, *words: object) -> None:
        pipe = self.program.popen.stdin
        with suppress(BrokenPipeError):
            if pipe is not None:
                pipe.write(f"{' '.join(map(str, words))}\n".encode())
                pipe.flush()
        if not self.program.hear(ANSWER_SECONDS):
            raise EnvironmentFaultError(f"The proxy does not answer; its log ends:\n{self.program.log_tail()}")
