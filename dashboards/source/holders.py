"""Who holds the open connections, of targets with any version of loadlab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.source.panels import Query
from dashboards.source.promql import aggregate
from loadlab.model.holders import Holder
from loadlab.model.metrics import CONNECTIONS_OPEN

if TYPE_CHECKING:
    from dashboards.source.promql import Scope

LEAKED = (Holder.LEAKED.label,)


def by_holder(scope: Scope) -> tuple[Query, ...]:
    """Those of a target with an earlier loadlab have no holder there, and are of one that is not known here."""
    series, unknown = scope.select(CONNECTIONS_OPEN), Holder.UNKNOWN.label
    told = f'label_replace({series}, "holder", "{unknown}", "holder", "")'
    return (Query(expr=aggregate("sum", ("holder",), told), name="{{holder}}"),)
