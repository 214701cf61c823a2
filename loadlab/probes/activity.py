"""pg_stat_activity: the target's backends as PostgreSQL sees them now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import Scene

QUERY = """
SELECT count(*), count(*) FILTER (WHERE state = 'active'), count(*) FILTER (WHERE state = 'idle'),
    count(*) FILTER (WHERE state LIKE 'idle in transaction%%')
FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'
"""


class Activity(Probe):
    """`backends`: all of the target's connections; of them `active`, `idle`, `idle_in_transaction` at this moment."""

    def read(self, scene: Scene) -> dict[str, float]:
        scene.cursor.execute(QUERY, [scene.database])
        counts = scene.cursor.fetchone() or (0, 0, 0, 0)
        return dict(zip(("backends", "active", "idle", "idle_in_transaction"), counts, strict=True))
