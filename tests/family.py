"""Processes below one that a test has started: any of them may end while it is looked at."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable


def alive(process: psutil.Process) -> bool:
    """Whether anything of it runs."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def below(pid: int, *, recursive: bool = False) -> list[psutil.Process]:
    """The living children of a process, or all of its descendants; the eldest first."""
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(pid).children(recursive=recursive)
        return sorted(filter(alive, found), key=lambda one: (one.create_time(), one.pid))
    return []


def family(pid: int) -> list[psutil.Process]:
    """A process and all that lives below it."""
    with suppress(psutil.NoSuchProcess):
        return [psutil.Process(pid), *below(pid, recursive=True)]
    return []


def kill(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL for each that is still there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
