"""How far each figure of the dashboards may be from the run's own exact record, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.evidence.answers import asked
from dashboards.source.lab import LAB
from dashboards.source.promql import ratio
from loadlab.model.metrics import (
    CONNECT_ERRORS,
    CONNECTIONS_CLOSED,
    CONNECTIONS_OPENED,
    CPU_SECONDS,
    DATABASE_PEAK,
    DATABASE_SESSIONS,
    LOAD_REQUESTS,
    LOAD_RESPONSE,
    REQUESTS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.evidence.answers import Span
    from dashboards.evidence.api import Api
    from dashboards.evidence.trials import Recorded

EXACT = "a trial's counter starts at zero with its instance, and its last value is scraped after the end"
BUCKETS = "neighbouring buckets are at most 1.3 apart, and the quantile lies within one"
PEAK = "the lab looks ten times a second and says the most; what came and went between two looks is in neither"
FIRST_SECOND = "the dashboards count from the first scrape of a trial to its last, the record within the window"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A figure of one trial: `field` of its record, and the query that each dashboard's panels are made of.

    `tolerance` is relative; None where none can be promised, and only what was found is told.
    """

    field: str
    query: str
    tolerance: float | None
    why: str


FIGURES = (
    Figure(field="opened", query=LAB.total(CONNECTIONS_OPENED, "instance"), tolerance=0, why=EXACT),
    Figure(field="reused", query=LAB.total(REQUESTS, "instance", connection="reused"), tolerance=0, why=EXACT),
    Figure(
        field="garbage_collected",
        query=LAB.total(CONNECTIONS_CLOSED, "instance", reason="garbage_collected"),
        tolerance=0,
        why=EXACT,
    ),
    Figure(field="refused", query=LAB.total(CONNECT_ERRORS, "instance"), tolerance=0, why=EXACT),
    Figure(field="sessions", query=LAB.total(DATABASE_SESSIONS, "instance"), tolerance=0, why=EXACT),
    Figure(field="requests", query=LAB.total(LOAD_REQUESTS, "instance"), tolerance=0, why=EXACT),
    Figure(field="failures", query=LAB.total(LOAD_REQUESTS, "instance", outcome="failed"), tolerance=0, why=EXACT),
    Figure(
        field="mean_seconds",
        query=ratio(LAB.total(LOAD_RESPONSE, "instance", of="sum"), LAB.total(LOAD_RESPONSE, "instance", of="count")),
        tolerance=1e-6,
        why="exact but for rounding: the sum and the number are",
    ),
    Figure(field="p50_seconds", query=LAB.total_quantile(0.5, LOAD_RESPONSE, "instance"), tolerance=0.3, why=BUCKETS),
    Figure(field="p99_seconds", query=LAB.total_quantile(0.99, LOAD_RESPONSE, "instance"), tolerance=0.3, why=BUCKETS),
    Figure(field="peak_open", query=LAB.peak(DATABASE_PEAK, "instance"), tolerance=0, why=PEAK),
    Figure(
        field="cpu_per_request",
        query=ratio(LAB.grown(CPU_SECONDS, "instance", part="app|database"), LAB.grown(LOAD_REQUESTS, "instance")),
        tolerance=None,
        why=FIRST_SECOND,
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deviation:
    """A figure of one trial as the dashboards show it, and as it was."""

    instance: str
    shown: float
    exact: float

    @property
    def relative(self) -> float:
        """0 means that they are the same. A figure above 0 for something that never happened is infinitely off."""
        if self.shown == self.exact:
            return 0.0
        return self.shown / self.exact - 1 if self.exact else float("inf")


def deviations(api: Api, figure: Figure, trials: Sequence[Recorded], span: Span) -> list[Deviation]:
    """Of every trial.

    Raises:
        KeyError: Prometheus does not know one of them.
    """
    shown = {series.labels["instance"]: series.value for series in api.instant(asked(figure.query, span), span.end)}
    return [
        Deviation(instance=trial.instance, shown=shown[trial.instance], exact=getattr(trial, figure.field))
        for trial in trials
    ]
