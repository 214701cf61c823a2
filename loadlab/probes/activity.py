"""pg_stat_activity: the target's backends as PostgreSQL sees them now."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.judges.postgresql import PostgreSQL
from loadlab.model.metrics import DATABASE_BACKENDS
from loadlab.model.quantity import Quantity
from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import ProbeContext


STATES = ("active", "idle", "idle_in_transaction", "other")


class Activity(Probe):
    """`backends`: all of the target's connections at this moment, and how many of them are in each state.

    Those whose state the observer may not see are among the `other`.
    """

    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity(name="backends", title="Connections to the database", placed=True),
        *(
            Quantity(
                name=f"backends_{state}",
                title=f"Connections to the database, {state.replace('_', ' ')}",
                metric=DATABASE_BACKENDS,
                labels=(state,),
                placed=True,
            )
            for state in STATES
        ),
    )

    def read(self, context: ProbeContext) -> dict[str, float]:
        backends, *known = PostgreSQL(context.cursor, context.database).states()
        states = zip(STATES, (*known, backends - sum(known)), strict=True)
        return {"backends": backends, **{f"backends_{state}": count for state, count in states}}
