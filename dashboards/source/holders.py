"""Who holds the open connections, of targets with any version of loadlab."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.source.panels import Query
from dashboards.source.promql import aggregate
from loadlab.model.holders import Holder
from loadlab.model.metrics import CONNECTIONS_OPEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboards.source.promql import Scope

# Fixed, because Grafana's palette makes the fifth series red too, and a legend leaves out holders that have none.
COLOURS: Final[Mapping[str, str]] = {
    Holder.LEAKED.label: "red",
    Holder.OUTSIDE.label: "orange",
    Holder.IN_USE.label: "green",
    Holder.IDLE.label: "blue",
    Holder.POOL.label: "purple",
    Holder.UNKNOWN.label: "text",
}


def by_holder(scope: Scope) -> tuple[Query, ...]:
    """Those of a target with an earlier loadlab have no holder there, and are of one that is not known here."""
    series, unknown = scope.select(CONNECTIONS_OPEN), Holder.UNKNOWN.label
    told = f'label_replace({series}, "holder", "{unknown}", "holder", "")'
    return (Query(expr=aggregate("sum", ("holder",), told), name="{{holder}}"),)
