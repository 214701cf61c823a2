"""A restart of the database: all sessions end at once, and it serves again at the same address."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loadlab.errors import EnvironmentFaultError
from loadlab.faults.base import Acts, Fault, FaultEffect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseRestart(Fault):
    """What `pg_ctl restart -m fast` does. Nothing is left to undo: the database is where it was."""

    acts: ClassVar[Acts] = "at_instant"

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        if context.restart_database is None:
            raise EnvironmentFaultError(
                f"The database {context.database.name} cannot be restarted during a trial, which observes it. Set"
                " restarts = true in the plan: it counts what a restart does, on loadlab's own PostgreSQL."
            )
        context.restart_database()
        yield FaultEffect()
