"""Counts the sessions of a trial with a fault in PostgreSQL's log, which outlives what its statistics do not."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import psycopg2

from loadlab.errors import EnvironmentFaultError
from loadlab.judges._postgresql_log import SessionLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.lab.lab import Lab

PATIENCE_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.01


@contextmanager
def sessions_by_log(lab: Lab) -> Iterator[Callable[[], int] | None]:
    """How many sessions the target has had since the context began; None where PostgreSQL is not the lab's own.

    Raises:
        EnvironmentFaultError: PostgreSQL does not take the setting.
    """
    database = lab.database
    if database.log is None:
        yield None
        return
    log = SessionLog(lab.cursor, database.name, database.log)
    log.begin(lab.cursor)
    _await_begun(lab, log)
    mark = log.mark()
    try:
        yield lambda: log.opened_since(mark)
    finally:
        with suppress(psycopg2.Error):
            log.end(lab.cursor)


def _await_begun(lab: Lab, log: SessionLog) -> None:
    """A new connection says what the next one will be logged by."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with lab.database.observed() as connection:
            if log.begun(connection.cursor()):
                return
        time.sleep(POLL_SECONDS)
    raise EnvironmentFaultError(f"PostgreSQL does not log connections {PATIENCE_SECONDS:g} s after it was told to.")
