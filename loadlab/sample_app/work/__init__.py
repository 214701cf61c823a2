"""The site's background work: one task, as each library that runs tasks would run it.

A task makes one query, and appends a line to a report: which session served it, or why it failed. The tasks of a round
wait for each other's lines, so that as many run at one instant as there are, each in its own thread or process.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

if TYPE_CHECKING:
    from types import ModuleType

REPORTS: Final = "LOADLAB_WORK_REPORTS"
FIX: Final = "LOADLAB_WORK_FIX"
PORT: Final = "LOADLAB_WORK_PORT"
LIBRARY: Final = "LOADLAB_WORK"  # whose tasks `loadlab.sample_app.tasks` has
SECONDS: Final = 0.01
PATIENCE_SECONDS: Final = 20.0  # with a round whose other tasks never come
POLL_SECONDS: Final = 0.005


def perform(number: int, size: int, query: bool) -> None:  # noqa: FBT001  a queue passes arguments by position
    """Do one of the `size` tasks of a round: query and report; with `query` off only report."""
    try:
        backend = _queried() if query else 0
    except Exception as error:
        _report(number, error=f"{type(error).__name__}: {error}")
        raise
    else:
        _report(number, backend=backend)
    finally:
        _await_others(number, size)


def _queried() -> int:
    """Hold a connection for a moment; returns which session of PostgreSQL it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), pg_sleep(%s)", [SECONDS])
        return int(cursor.fetchone()[0])


def _report(number: int, **said: object) -> None:
    line = json.dumps({"round": number, "process": os.getpid(), **said}).encode() + b"\n"
    file = os.open(os.environ[REPORTS], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)  # in one piece: others append at the same time
    finally:
        os.close(file)


def _await_others(number: int, size: int) -> None:
    path, mark = Path(os.environ[REPORTS]), f'"round": {number},'
    deadline = time.monotonic() + PATIENCE_SECONDS
    while size > 1 and path.read_text().count(mark) < size and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def fix() -> Any:  # noqa: ANN401  the module of a user's own; None without one
    """The fix that is tried."""
    name = os.environ.get(FIX)
    return importlib.import_module(name) if name else None


def fixed(name: str, otherwise: Any) -> Any:  # noqa: ANN401
    """What the fix calls `name`, or `otherwise`."""
    return getattr(fix(), name, otherwise)


def library(name: str) -> ModuleType:
    """The module that runs the task by a library."""
    return importlib.import_module(f"{__name__}.{name}")
