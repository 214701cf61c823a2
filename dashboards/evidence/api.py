"""Asks a Prometheus as Grafana does: instant queries, and queries over a time range."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One series: its labels, and its values at their instants."""

    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def value(self) -> float:
        return self.points[-1][1]


@dataclass(frozen=True, slots=True)
class Api:
    """The HTTP API of the Prometheus at `url`."""

    url: str

    def version(self) -> str:
        found: str = self._data("status/buildinfo", {})["version"]
        return found

    def instant(self, expr: str, at: float) -> list[Answer]:
        """The newest value of each series at `at`; of a range vector, each value in its range."""
        return self._asked("query", query=expr, time=at)

    def over_time(self, expr: str, start: float, end: float, step: float) -> list[Answer]:
        return self._asked("query_range", query=expr, start=start, end=end, step=step)

    def values_of(self, label: str, selector: str, start: float, end: float) -> list[str]:
        found: list[str] = self._data(f"label/{label}/values", {"match[]": selector, "start": start, "end": end})
        return found

    def _asked(self, path: str, **parameters: str | float) -> list[Answer]:
        result = self._data(path, parameters)["result"]
        return [
            Answer(
                labels=series["metric"],
                points=[(at, float(value)) for at, value in series.get("values") or [series["value"]]],
            )
            for series in result
        ]

    def _data(self, path: str, parameters: dict[str, str | float]) -> Any:  # noqa: ANN401  as JSON has it
        url = f"{self.url}/api/v1/{path}?{urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  our own
            return json.load(answer)["data"]
