"""The target's ledgers: what the instrumentation itself has counted, read from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.instrumentation.counters import counts_of
from loadlab.model.holders import COUNTED, by_holder
from loadlab.model.quantity import Quantity
from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import ProbeContext


class LedgerProbe(Probe):
    """What is open now and who holds it, and what was opened and reused since the server started."""

    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity(name="open", title="Open connections, counted by the project", placed=True),
        Quantity(name="opened", title="Connections opened", kind="counter", placed=True),
        Quantity(name="reused", title="Requests that reused a connection", kind="counter", placed=True),
        *(
            Quantity(name=name, title=f"Open connections: {holder.title}", placed=True)
            for name, holder in zip(by_holder({}), COUNTED, strict=True)
        ),
    )

    def read(self, context: ProbeContext) -> dict[str, float]:
        counts = counts_of(context.ledgers, context.aliases)
        levels = {"open": counts.open, "opened": counts.opened, "reused": counts.reused}
        return {**levels, **by_holder(counts.holders)}
