"""The dashboards as they are committed: what Grafana loads, taken apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1]
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One query of one panel; `ref` is Grafana's letter for it."""

    dashboard: str
    panel: str
    ref: str
    expr: str
    over_time: bool

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel} ({self.ref})"


def panels(dashboard: str) -> list[dict[str, Any]]:
    """Everything on a dashboard but the headings of its rows."""
    return [panel for panel in DASHBOARDS[dashboard]["panels"] if panel["type"] != "row"]


def variables(dashboard: str) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in DASHBOARDS[dashboard]["templating"]["list"]}


TARGETS = [
    Target(
        dashboard=name,
        panel=panel["title"],
        ref=target["refId"],
        expr=target["expr"],
        over_time=target["range"],
    )
    for name in DASHBOARDS
    for panel in panels(name)
    for target in panel.get("targets", ())
]


def expanded(expr: str, chosen: dict[str, str], *, rate: str = "4s", everything: str = "1h") -> str:
    """The query as Grafana sends it: variables replaced by what is `chosen`, all of them where nothing is."""
    expr = expr.replace("$__rate_interval", rate).replace("$__range", everything)
    for name, value in chosen.items():
        expr = expr.replace(f'"${name}"', f'"{value}"')
    return expr


def all_chosen(dashboard: str) -> dict[str, str]:
    """What Grafana puts in for "All"; variables with one value are left to who asks."""
    return {name: found["allValue"] for name, found in variables(dashboard).items() if found.get("includeAll")}
