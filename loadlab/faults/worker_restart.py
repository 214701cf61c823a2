"""The server replaces its workers under load, as at a deployment or by `kill -HUP`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import psutil

from loadlab.errors import EnvironmentFaultError
from loadlab.faults._workers import await_ended, await_workers, workers_of
from loadlab.faults.base import BY_A_FAULT, Acts, Fault, FaultEffect, Need
from loadlab.model.causes import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext

PATIENCE_SECONDS: Final = 40.0  # gunicorn's graceful timeout is 30 s


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerRestart(Fault):
    """The signal by which the server reloads. It is over once all workers are new, and as many as before."""

    acts: ClassVar[Acts] = "at_instant"
    needs: ClassVar[tuple[Need, ...]] = ("reload",)
    expected: ClassVar[frozenset[Cause]] = BY_A_FAULT | {Cause.PROCESS_LOST}

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: the server has no worker, or does not replace those that it has.
        """
        before = workers_of(context)
        if not before or context.reload_signal is None:
            raise EnvironmentFaultError("The server has no workers that it could replace.")
        try:
            for parent in {one.ppid() for one in before}:
                psutil.Process(parent).send_signal(context.reload_signal)
        except psutil.NoSuchProcess as error:
            raise EnvironmentFaultError(f"The server ended before it could be told to reload: {error}.") from error
        yield FaultEffect()
        await_ended(before, PATIENCE_SECONDS)
        await_workers(context, len(before), PATIENCE_SECONDS)
