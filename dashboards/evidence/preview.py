"""Draws a dashboard as a page of our own, from what a Prometheus answers to its queries: no picture of Grafana."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboards.evidence.answers import answer
from dashboards.evidence.committed import DASHBOARDS, TARGETS

if TYPE_CHECKING:
    from dashboards.evidence.answers import Span
    from dashboards.evidence.api import Answer, Api

PAGE = Path(__file__).with_name("preview.html")
ECHARTS = Path(__file__).parents[2] / "loadlab" / "report" / "assets" / "echarts.min.js"
NOTE = (
    "Drawn by loadlab from what a real Prometheus answers to the dashboard's queries. Grafana draws it in its own way."
)


def page(dashboard: str, api: Api, span: Span) -> str:
    found = DASHBOARDS[dashboard]
    data = {
        "title": found["title"],
        "note": NOTE,
        "span": [math.floor(span.start), math.ceil(span.end)],
        "panels": [_panel(dashboard, panel, api, span) for panel in found["panels"]],
    }
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return PAGE.read_text("utf-8").replace("/*ECHARTS*/", ECHARTS.read_text("utf-8")).replace("/*DATA*/null", text)


def _panel(dashboard: str, panel: dict[str, Any], api: Api, span: Span) -> dict[str, Any]:
    drawn = {"kind": panel["type"], "title": panel["title"], "place": panel["gridPos"]}
    if panel["type"] == "row":
        return drawn
    if panel["type"] == "text":
        return {**drawn, "content": panel["options"]["content"].replace("**", "").replace("`", "")}
    matrix = [one for one in panel["transformations"] if one["id"] == "groupingToMatrix"]
    defaults = panel["fieldConfig"]["defaults"]
    return {
        **drawn,
        "kind": "matrix" if matrix else panel["type"],
        "matrix": [matrix[0]["options"][field] for field in ("rowField", "columnField")] if matrix else None,
        "unit": defaults["unit"],
        "steps": defaults.get("thresholds", {}).get("steps", []),
        "colours": {name: colour["fixedColor"] for name, colour in _overridden(panel, "color").items()},
        "stacked": "stacking" in defaults.get("custom", {}),
        "queries": _queries(dashboard, panel, api, span),
    }


def _queries(dashboard: str, panel: dict[str, Any], api: Api, span: Span) -> list[dict[str, Any]]:
    units = _overridden(panel, "unit")
    targets = [one for one in TARGETS if (one.dashboard, one.panel) == (dashboard, panel["title"])]
    return [
        {
            "name": legend["legendFormat"],
            "unit": units.get(legend["legendFormat"], panel["fieldConfig"]["defaults"]["unit"]),
            "series": [_series(one, legend["legendFormat"], span) for one in answer(api, target, span)],
        }
        for target, legend in zip(targets, panel["targets"], strict=True)
    ]


def _overridden(panel: dict[str, Any], what: str) -> dict[str, Any]:
    """By the names of series, what overrides that property of theirs."""
    return {
        one["matcher"]["options"]: found["value"]
        for one in panel["fieldConfig"]["overrides"]
        for found in one["properties"]
        if found["id"] == what
    }


def _series(series: Answer, legend: str, span: Span) -> dict[str, Any]:
    name = re.sub(r"{{(\w+)}}", lambda label: series.labels.get(label[1], ""), legend)
    points = [(at, value if math.isfinite(value) else None) for at, value in series.points if at <= span.end]
    return {"name": name, "labels": series.labels, "points": points}
