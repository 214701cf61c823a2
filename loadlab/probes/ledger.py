"""The target's ledgers: what the instrumentation itself has counted, read from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.instrumentation.books import Books
from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.instrumentation.books import Totals
    from loadlab.probes.base import Scene


def totals_of(scene: Scene) -> Totals:
    """What the books say of all aliases that lead to the target's database, together."""
    return Books(scene.ledgers).read().of(scene.aliases)


def totals_by_alias(scene: Scene) -> dict[str, Totals]:
    """The same for each of them that was used."""
    known = Books(scene.ledgers).read().aliases
    return {alias: known[alias] for alias in scene.aliases if alias in known and known[alias].opened}


class LedgerProbe(Probe):
    """`open` now; `opened` and `reused` since the server started."""

    def read(self, scene: Scene) -> dict[str, float]:
        totals = totals_of(scene)
        return {"open": totals.open, "opened": totals.opened, "reused": totals.requests_reused}
