"""A worker of the server is killed, as the kernel does it when memory is short; the server replaces it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import psutil

from loadlab.errors import EnvironmentFaultError
from loadlab.faults._workers import await_ended, workers_of
from loadlab.faults.base import BY_A_FAULT, Acts, Fault, FaultEffect, Need
from loadlab.model.causes import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext

PATIENCE_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerKill(Fault):
    """SIGKILL for `which` workers: "one", "all_but_one", or "all". Its requests are lost, and all its connections.

    Nothing is undone: how soon the server has another one is what is to be seen.
    """

    acts: ClassVar[Acts] = "at_instant"
    needs: ClassVar[tuple[Need, ...]] = ("replaced_worker",)
    expected: ClassVar[frozenset[Cause]] = BY_A_FAULT | {Cause.PROCESS_LOST}

    which: Literal["one", "all_but_one", "all"] = "one"

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: there is none to kill, or it stays.
        """
        doomed = self._chosen(workers_of(context))
        for one in doomed:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        await_ended(doomed, PATIENCE_SECONDS)
        yield FaultEffect()

    def _chosen(self, workers: list[psutil.Process]) -> list[psutil.Process]:
        chosen = workers[: {"one": 1, "all_but_one": len(workers) - 1, "all": len(workers)}[self.which]]
        if not chosen:
            raise EnvironmentFaultError(
                f"The server has {len(workers)} workers, so that {self.which} cannot be killed."
            )
        return chosen
