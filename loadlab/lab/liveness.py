"""Whether the processes that serve a trial are the same at its end as they were when it began."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadlab.lab.application import ServedApplication
    from loadlab.system.processes import Program


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A process and what it is called in messages. psutil knows it by its start time too, and takes no other for it."""

    what: str
    process: psutil.Process


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerProcesses:
    """The processes of a server that is ready; `recycled` is as its server mode says."""

    program: Program
    members: tuple[Member, ...]
    recycled: str = ""

    def disturbances(self) -> tuple[str, ...]:
        """What has become of those who are gone or stopped now; nothing of a worker that its server replaced."""
        lost = [(member, how) for member in self.members if (how := _fate(member.process))]
        recycled = self._replaced() if lost and self.recycled else frozenset()
        return tuple(
            f"{one.what} (pid {one.process.pid}) {how}" for one, how in lost if one.process.pid not in recycled
        )

    def _replaced(self) -> frozenset[int]:
        with suppress(OSError):
            return frozenset(map(int, re.findall(self.recycled, self.program.log.read_text(errors="replace"))))
        return frozenset()


def serving_now(application: ServedApplication, others: Mapping[str, int], recycled: str = "") -> ServerProcesses:
    """The server, each of its processes that has loaded the site, and `others` by their pids.

    A process of the tree that has no ledger is a helper of the project's, and may come and go.
    """
    program = application.program
    owners = owners_of(application.ledgers)
    named = [(program.name, program.pid)]
    named += [(f"a worker of {program.name}", pid) for pid in _below(program.pid) if pid in owners]
    named += others.items()
    return ServerProcesses(
        program=program,
        members=tuple(member for what, pid in named for member in _member(what, pid)),
        recycled=recycled,
    )


def worker_pids(application: ServedApplication) -> list[int]:
    """The processes of a server that have loaded the site and run now."""
    owners = owners_of(application.ledgers)
    return [pid for pid in (application.program.pid, *_below(application.program.pid)) if pid in owners]


def _fate(process: psutil.Process) -> str:
    try:
        if not process.is_running() or process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
            return "ended before the window did"
        return "was stopped at the end of the window" if process.status() == psutil.STATUS_STOPPED else ""
    except psutil.NoSuchProcess:
        return "ended before the window did"
    except psutil.Error:
        return ""


def _member(what: str, pid: int) -> list[Member]:
    with suppress(psutil.Error):
        return [Member(what=what, process=psutil.Process(pid))]
    return []


def _below(root: int) -> list[int]:
    with suppress(psutil.Error):
        return [process.pid for process in psutil.Process(root).children(recursive=True)]
    return []


def owners_of(ledgers: Path) -> frozenset[int]:
    """The pids of the processes that have a ledger: each file's name begins with it."""
    with suppress(OSError):
        names = (path.name.partition("-")[0] for path in ledgers.iterdir())
        return frozenset(int(pid) for pid in names if pid.isdigit())
    return frozenset()
