"""A restart of the database: all sessions end at once, and it serves again at the same address."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from loadlab.errors import EnvironmentFaultError
from loadlab.faults.base import BY_A_FAULT, NOTHING, Acts, Fault, FaultEffect, Need
from loadlab.model.causes import Cause
from loadlab.model.planned_fault import Bound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseRestart(Fault):
    """What `pg_ctl restart` does. Nothing is left to undo: the database is where it was.

    With the `mode` "fast", sessions are told that they end. With "immediate", all processes of PostgreSQL end at once,
    as in a crash, and it recovers before it serves again.
    """

    acts: ClassVar[Acts] = "at_instant"
    needs: ClassVar[tuple[Need, ...]] = ("own_postgresql",)
    expected: ClassVar[frozenset[Cause]] = BY_A_FAULT | {Cause.NOT_OBSERVED}
    bound: ClassVar[Bound | None] = Bound.ONE_PER_CONNECTION

    mode: Literal["fast", "immediate"] = "fast"

    @contextmanager
    def prepared(self, context: FaultContext) -> Iterator[FaultEffect]:
        """A checkpoint: otherwise the first restart of a run would write all that the cluster was made of."""
        if context.database.restart is not None:
            with context.database.observed() as connection, connection.cursor() as cursor:
                cursor.execute("CHECKPOINT")
        yield NOTHING

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        if context.restart_database is None:
            raise EnvironmentFaultError(
                f"The database {context.database.name} cannot be restarted: only a PostgreSQL that is loadlab's own"
                " can. Set restarts = true in the plan: it counts what a restart does, on one that is."
            )
        context.restart_database(mode=self.mode)
        yield FaultEffect()
