"""pg_stat_database: how many sessions the target's database has had; the judge of our own count."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import Scene

QUERY = "SELECT sessions FROM pg_stat_database WHERE datname = %s"


class Sessions(Probe):
    """`sessions` since the statistics were last reset; a backend reports itself when it is first idle, or ends."""

    sampled: ClassVar[bool] = False

    def read(self, scene: Scene) -> dict[str, float]:
        scene.cursor.execute(QUERY, [scene.database])
        (sessions,) = scene.cursor.fetchone() or (0,)
        return {"sessions": sessions}
