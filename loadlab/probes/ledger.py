"""The target's ledgers: what the instrumentation itself has counted, read from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.instrumentation.counters import CounterSet
from loadlab.model.quantity import Quantity
from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.model.counts import ConnectionCounts
    from loadlab.probes.base import ProbeContext


def counts_of(context: ProbeContext) -> ConnectionCounts:
    """Over all aliases that lead to the target's database."""
    return CounterSet(context.ledgers).read().of(context.aliases).counts


def counts_by_alias(context: ProbeContext) -> dict[str, ConnectionCounts]:
    """The same for each of them that was used."""
    known = CounterSet(context.ledgers).read().aliases
    return {alias: known[alias].counts for alias in context.aliases if alias in known and known[alias].opened}


class LedgerProbe(Probe):
    """What is open now, and what was opened and reused since the server started."""

    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity(name="open", title="Open connections, counted by the project", placed=True),
        Quantity(name="opened", title="Connections opened", kind="counter", placed=True),
        Quantity(name="reused", title="Requests that reused a connection", kind="counter", placed=True),
    )

    def read(self, context: ProbeContext) -> dict[str, float]:
        counts = counts_of(context)
        return {"open": counts.open, "opened": counts.opened, "reused": counts.reused}
