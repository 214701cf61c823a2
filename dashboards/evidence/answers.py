"""Asks a Prometheus what each panel of each dashboard would show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.evidence.committed import all_chosen, expanded, variables
from loadlab.model.metrics import CONNECTIONS_OPENED

if TYPE_CHECKING:
    from dashboards.evidence.api import Answer, Api
    from dashboards.evidence.committed import Target

SCRAPE_SECONDS = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The time range of a dashboard, in seconds since the epoch."""

    start: float
    end: float

    @property
    def seconds(self) -> int:
        return math.ceil(self.end - self.start) + 1


def answer(api: Api, target: Target, span: Span) -> list[Answer]:
    """What a query returns with everything chosen, as Grafana asks: at the end of the range, or all over it."""
    expr = asked(target.expr, span, {**all_chosen(target.dashboard), **_cases(api, target.dashboard, span)})
    if target.over_time:
        return api.over_time(expr, span.start, span.end, SCRAPE_SECONDS)
    return api.instant(expr, span.end)


def asked(expr: str, span: Span, chosen: dict[str, str] | None = None) -> str:
    """A query without variables; those of the lab's dashboards where nothing else is chosen."""
    chosen = chosen or all_chosen("loadlab-connections")
    return expanded(expr, chosen, rate=f"{4 * SCRAPE_SECONDS}s", everything=f"{span.seconds}s")


def _cases(api: Api, dashboard: str, span: Span) -> dict[str, str]:
    """The first case as A, the last as B: what Grafana chooses by default."""
    if "case_a" not in variables(dashboard):
        return {}
    cases = sorted(api.values_of("case", CONNECTIONS_OPENED.name, span.start, span.end))
    return {"case_a": cases[0], "case_b": cases[-1]}


def span_of(api: Api, before: float) -> Span:
    """From the first scrape to the last, within the hour `before`."""
    instants = [at for series in api.instant("up[1h]", before) for at, _ in series.points]
    return Span(start=min(instants), end=max(instants))


def finite(series: list[Answer]) -> list[float]:
    """The newest number of each series that has any: a quantile of nothing is no number."""
    newest = ([value for _, value in one.points if math.isfinite(value)][-1:] for one in series)
    return [value for values in newest for value in values]
