"""PgBouncer's clients that wait, where a strategy puts one between the target and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.model.metrics import POOLER_CLIENTS_WAITING
from loadlab.model.quantity import Quantity
from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import ProbeContext


class PoolerProbe(Probe):
    """How many clients wait for a connection to PostgreSQL, and for how long the first of them has."""

    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity(
            name="pooler_clients_waiting",
            title="Clients waiting for PgBouncer",
            metric=POOLER_CLIENTS_WAITING,
            placed=True,
        ),
        Quantity(name="pooler_longest_wait_seconds", title="Longest wait for PgBouncer", unit="seconds", placed=True),
    )

    def read(self, context: ProbeContext) -> dict[str, float]:
        if context.pooler is None:
            return {}
        waiting, longest = context.pooler.waiting()
        return {"pooler_clients_waiting": waiting, "pooler_longest_wait_seconds": longest}
