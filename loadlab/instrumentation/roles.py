"""Finds out what this process is for: to answer requests, or to do tasks."""

from __future__ import annotations

import sys
from typing import Final

from loadlab.instrumentation.serving import RUNSERVER, is_server, program_of, serving
from loadlab.instrumentation.units import runs_tasks
from loadlab.instrumentation.work import kind_of, present
from loadlab.model.metrics import ProcessRole, UnitKind

_BY_UNIT: Final = {
    UnitKind.REQUEST: ProcessRole.WEB,
    UnitKind.MESSAGE: ProcessRole.WEB,
    UnitKind.TASK: ProcessRole.WORKER,
    UnitKind.OTHER: ProcessRole.OTHER,
}


def serves() -> bool:
    """Whether this is a web server's process; runserver's too."""
    return is_server() or sys.argv[1:2] == [RUNSERVER]


def mode() -> str:
    """How this process serves the project; "" where it serves none, or in a way that is not known."""
    known = serving() if serves() else None
    return "" if known is None else known.mode


def role() -> ProcessRole:
    """By the command line of the process; where that tells nothing, by the unit that the caller works for."""
    program, command = program_of(sys.argv[0]) if sys.argv else "", "".join(sys.argv[1:2])
    if serves():
        return ProcessRole.WEB
    if runs_tasks(program) or runs_tasks(command):
        return ProcessRole.WORKER
    return _BY_UNIT[kind_of(present())]
