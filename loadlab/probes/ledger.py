"""The target's ledgers: what the instrumentation itself has counted, read from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.instrumentation.counters import CounterSet
from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.instrumentation.counters import Totals
    from loadlab.probes.base import ProbeContext


def totals_of(scene: ProbeContext) -> Totals:
    """What the books say of all aliases that lead to the target's database, together."""
    return CounterSet(scene.ledgers).read().of(scene.aliases)


def totals_by_alias(scene: ProbeContext) -> dict[str, Totals]:
    """The same for each of them that was used."""
    known = CounterSet(scene.ledgers).read().aliases
    return {alias: known[alias] for alias in scene.aliases if alias in known and known[alias].opened}


class LedgerProbe(Probe):
    """`open` now; `opened` and `reused` since the server started."""

    def read(self, scene: ProbeContext) -> dict[str, float]:
        totals = totals_of(scene)
        return {"open": totals.open, "opened": totals.opened, "reused": totals.requests_reused}
