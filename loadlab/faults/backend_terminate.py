"""Sessions of the target end, as an administrator or a failover ends them; the database stays where it is."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.faults.base import Acts, Fault, FaultEffect
from loadlab.judges.postgresql import PostgreSQL
from loadlab.model.bounds import Bounds
from loadlab.model.planned_fault import Bound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext

PATIENCE_SECONDS: Final = 2.0
POLL_SECONDS: Final = 0.005
END: Final = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM unnest(%s::int[]) AS pid"


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendTerminate(Fault):
    """`pg_terminate_backend` for a `share` of the target's backends, for one at least. Nothing is undone."""

    acts: ClassVar[Acts] = "at_instant"
    bound: ClassVar[Bound | None] = Bound.ONE_PER_CONNECTION

    share: Annotated[float, Bounds(gt=0, le=1, finite=True, description="more than 0, up to 1")] = 1.0

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: the target has no backend, or its backends stay.
        """
        with context.database.observed() as connection, connection.cursor() as cursor:
            judge = PostgreSQL(cursor, context.database.name)
            chosen = self._chosen(judge, context.database.name)
            cursor.execute(END, [chosen])
            _await_gone(judge, context.database.name, set(chosen))
        yield FaultEffect()

    def _chosen(self, judge: PostgreSQL, database: str) -> list[int]:
        """Those to be ended, the oldest first, which are kept.

        A target that closes after each request may have none at this very moment.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := judge.pids()):
            if time.monotonic() > deadline:
                raise EnvironmentFaultError(f"The target had no connection to {database} that could be ended.")
            time.sleep(POLL_SECONDS)
        return found[: self.ends_of(len(found))]

    def ends_of(self, connections: int) -> int:
        return ceil(self.share * connections)


def _await_gone(judge: PostgreSQL, database: str, ended: set[int]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while staying := ended.intersection(judge.pids()):
        if time.monotonic() > deadline:
            raise EnvironmentFaultError(f"{len(staying)} backends of {database} did not end in {PATIENCE_SECONDS:g} s.")
        time.sleep(POLL_SECONDS)
