"""PgBouncer's clients that wait, where a strategy puts one between the target and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import ProbeContext


class PoolerProbe(Probe):
    """`clients_waiting` for a connection to PostgreSQL, and `longest_wait_seconds` of them, now."""

    def read(self, scene: ProbeContext) -> dict[str, float]:
        waiting, longest = scene.pooler.waiting() if scene.pooler else (0, 0.0)
        return {"clients_waiting": waiting, "longest_wait_seconds": longest}
