"""pg_stat_activity: the target's backends as PostgreSQL sees them now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import ProbeContext

# A row of pg_stat_activity is a client's. Of others' rows an ordinary role, without pg_monitor, sees database and user,
# and neither backend_type nor state; processes of PostgreSQL's own lack one of the two.
CLIENT = "datid IS NOT NULL AND usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'"
QUERY = f"""
SELECT count(*), count(*) FILTER (WHERE state = 'active'), count(*) FILTER (WHERE state = 'idle'),
    count(*) FILTER (WHERE state LIKE 'idle in transaction%%')
FROM pg_stat_activity WHERE datname = %s AND {CLIENT}
"""  # noqa: S608  a text of ours


class Activity(Probe):
    """`backends`: all of the target's connections; of them `active`, `idle`, `idle_in_transaction` at this moment.

    Those whose state the observer may not see are in none of the three.
    """

    def read(self, scene: ProbeContext) -> dict[str, float]:
        scene.cursor.execute(QUERY, [scene.database])
        counts = scene.cursor.fetchone() or (0, 0, 0, 0)
        return dict(zip(("backends", "active", "idle", "idle_in_transaction"), counts, strict=True))
