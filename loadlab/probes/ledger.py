"""The target's ledgers: what the instrumentation itself has counted, read from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.instrumentation.books import Books
from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import Scene

ALIAS = "default"


class LedgerProbe(Probe):
    """`open` now; `opened` and `reused` since the server started."""

    def read(self, scene: Scene) -> dict[str, float]:
        totals = Books(scene.ledgers).read().aliases.get(ALIAS)
        if totals is None:
            return {"open": 0, "opened": 0, "reused": 0}
        return {"open": totals.open, "opened": totals.opened, "reused": totals.requests_reused}
