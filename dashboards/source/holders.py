"""The queries of who holds the open connections, of targets with any version of loadlab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.source.panels import Query
from dashboards.source.promql import or_zero
from loadlab.model.holders import COUNTED, Holder
from loadlab.model.metrics import CONNECTIONS_OPEN

if TYPE_CHECKING:
    from dashboards.source.promql import Scope

LEAKED = (Holder.LEAKED.label,)
KNOWN = "|".join(holder.label for holder in COUNTED if holder is not Holder.UNKNOWN)
EARLIER = f"{Holder.UNKNOWN.label}|"  # or no label at all


def by_holder(scope: Scope) -> tuple[Query, ...]:
    """All holders that are known, and the connections of targets that do not tell theirs."""
    return (
        Query(expr=scope.now(CONNECTIONS_OPEN, "holder", holder=KNOWN), name="{{holder}}"),
        Query(expr=or_zero(scope.now(CONNECTIONS_OPEN, holder=EARLIER)), name=Holder.UNKNOWN.label),
    )
