"""The workers of the target's server, as faults find them."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psutil

from loadlab.errors import EnvironmentFaultError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.faults.base import FaultContext

POLL_SECONDS: Final = 0.005
LOOK_SECONDS: Final = 0.05  # at the tree of the server's processes, which is dearer


def workers_of(context: FaultContext) -> list[psutil.Process]:
    """Those that serve now, the oldest first; a process that has loaded the site only to fork it is none."""
    found = []
    for pid in context.workers():
        if context.server is None or pid != context.server.pid:
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
    return sorted(found, key=lambda one: (one.create_time(), one.pid))


def await_ended(processes: Sequence[psutil.Process], seconds: float) -> None:
    """Wait until they have ended, whether or not their parent has noticed.

    Raises:
        EnvironmentFaultError: they go on for so long.
    """
    deadline = time.monotonic() + seconds
    while staying := [one for one in processes if _runs(one)]:
        if time.monotonic() > deadline:
            pids = ", ".join(str(one.pid) for one in staying)
            raise EnvironmentFaultError(f"Workers did not end in {seconds:g} s: pid {pids}.")
        time.sleep(POLL_SECONDS)


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def await_workers(context: FaultContext, count: int, seconds: float) -> None:
    """Wait until the server has so many workers that have loaded the site.

    Raises:
        EnvironmentFaultError: it has not for so long.
    """
    deadline = time.monotonic() + seconds
    while (now := len(workers_of(context))) < count:
        if time.monotonic() > deadline:
            raise EnvironmentFaultError(f"The server had {now} workers instead of {count} for {seconds:g} s.")
        time.sleep(LOOK_SECONDS)
