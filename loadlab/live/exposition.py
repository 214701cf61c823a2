"""Shows a Prometheus one trial: its ledgers as any project would, and what the lab has seen from outside."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from loadlab.instrumentation.collector import ConnectionCollector
from loadlab.live.course import courses
from loadlab.model import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.metrics_core import Metric as Family
    from starlette.requests import Request

    from loadlab.live.course import Course, TrialSoFar
    from loadlab.model.progress import Sampled

STATES = ("active", "idle", "idle_in_transaction", "other")
GAUGES = {
    "max_connections": metrics.DATABASE_MAX_CONNECTIONS,
    "pooler_clients": metrics.POOLER_CLIENTS,
    "pooler_servers": metrics.POOLER_SERVERS,
    "pooler_clients_waiting": metrics.POOLER_CLIENTS_WAITING,
}
COUNTERS = {"sessions": metrics.DATABASE_SESSIONS, "pooler_waited_seconds": metrics.POOLER_WAITED}


def trial_metrics(request: Request) -> Response:
    """The metrics of one trial; none at all before it has begun, and 404 for what is no trial of a run here."""
    course = _course(request)
    order = int(request.path_params["order"])
    if not any(step.order == order for step in course.schedule.steps):
        raise HTTPException(404, "This run has no such trial.")
    return Response(exposition(course.trials.get(order)), media_type=CONTENT_TYPE_LATEST)


def _course(request: Request) -> Course:
    path = request.app.state.runs.find(request.path_params["run"])
    course = courses().of(path) if path else None
    if course is None:
        raise HTTPException(404, "There is no such run.")
    return course


def exposition(trial: TrialSoFar | None) -> bytes:
    """A trial's metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    if trial is not None:
        registry.register(_Families([*_of_ledgers(Path(trial.began.ledgers)), *_of_lab(trial.sampled)]))
    return generate_latest(registry)


class _Families(Collector):
    """What was collected already."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


def _of_ledgers(folder: Path) -> list[Family]:
    """Nothing before the server writes the first, and nothing when they are gone: their last values stand."""
    if not folder.is_dir():
        return []
    try:
        families = list(ConnectionCollector(folder).collect())
    except OSError:  # gone in this very moment
        return []
    # That is of the process which collects, and here it is not the target's.
    return [family for family in families if family.name != metrics.BUILD_INFO.name]


def _of_lab(sampled: Sampled | None) -> Iterable[Family]:
    if sampled is None:
        return
    values = sampled.values
    yield _counter(metrics.LOAD_REQUESTS, {"ok": values["requests"] - values["failures"], "failed": values["failures"]})
    yield _histogram(metrics.LOAD_RESPONSE, sampled)
    yield _gauge(metrics.DATABASE_BACKENDS, {state: values[f"backends_{state}"] for state in STATES})
    yield _counter(metrics.CPU_SECONDS, _parts(values))
    for name, metric in GAUGES.items():
        if name in values:
            yield GaugeMetricFamily(metric.name, metric.help, value=values[name])
    for name, metric in COUNTERS.items():
        if name in values:
            yield CounterMetricFamily(metric.name, metric.help, value=values[name])


def _parts(values: Mapping[str, float]) -> dict[str, float]:
    return {name.removeprefix("cpu_"): seconds for name, seconds in values.items() if name.startswith("cpu_")}


def _counter(metric: metrics.Metric, values: Mapping[str, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def _gauge(metric: metrics.Metric, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def _histogram(metric: metrics.Metric, sampled: Sampled) -> HistogramMetricFamily:
    edges = [*(str(edge) for edge in metric.buckets), "+Inf"]
    cumulated = list(zip(edges, accumulate(sampled.response_buckets), strict=True))
    return HistogramMetricFamily(
        metric.name, metric.help, buckets=cumulated, sum_value=sampled.values["response_seconds_sum"]
    )


routes = [Route("/trials/{run}/{order:int}/metrics", trial_metrics)]
