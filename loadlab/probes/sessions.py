"""pg_stat_database: how many sessions the target's database has had; the judge of our own count."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.judges.postgresql import PostgreSQL
from loadlab.model.metrics import DATABASE_SESSIONS
from loadlab.model.quantity import Quantity
from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import ProbeContext

RESET = "the database's statistics were reset meanwhile (by pg_stat_reset, or because PostgreSQL crashed)"


class Sessions(Probe):
    """`sessions` since the statistics were last reset, and when that was: `sessions_reset`, in seconds of Unix time.

    A backend reports itself when it is first idle, or ends. Counts before and after a reset cannot be compared.
    """

    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity(
            name="sessions",
            title="Sessions that PostgreSQL has counted",
            kind="counter",
            metric=DATABASE_SESSIONS,
            placed=True,
        ),
        Quantity(name="sessions_reset", title="When the count of sessions was reset", unit="seconds", placed=True),
    )
    sampled: ClassVar[bool] = False

    def read(self, context: ProbeContext) -> dict[str, float]:
        sessions, reset = PostgreSQL(context.cursor, context.database).sessions()
        return {"sessions": sessions, "sessions_reset": reset}
