"""pg_stat_activity: the target's backends as PostgreSQL sees them now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import Scene

QUERY = """
SELECT count(*), count(*) FILTER (WHERE state = 'active')
FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'
"""


class Activity(Probe):
    """`backends`: all of the target's connections; `active`: those that execute at this moment."""

    def read(self, scene: Scene) -> dict[str, float]:
        scene.cursor.execute(QUERY, [scene.database])
        backends, active = scene.cursor.fetchone() or (0, 0)
        return {"backends": backends, "active": active}
