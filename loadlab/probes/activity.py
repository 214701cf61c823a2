"""pg_stat_activity: the target's backends as PostgreSQL sees them now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.judges.postgresql import PostgreSQL
from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import ProbeContext


class Activity(Probe):
    """`backends`: all of the target's connections; of them `active`, `idle`, `idle_in_transaction` at this moment.

    Those whose state the observer may not see are in none of the three.
    """

    def read(self, scene: ProbeContext) -> dict[str, float]:
        states = PostgreSQL(scene.cursor, scene.database).states()
        return dict(zip(("backends", "active", "idle", "idle_in_transaction"), states, strict=True))
