"""Turns what processes have written down into Prometheus metrics; prometheus-client does the exposition."""

from __future__ import annotations

import platform
from itertools import accumulate
from typing import TYPE_CHECKING

import django
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from loadlab import __version__
from loadlab.instrumentation.books import Books
from loadlab.instrumentation.timesheets import Timesheets
from loadlab.model import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from loadlab.instrumentation.books import Statement, Totals
    from loadlab.instrumentation.timesheets import Times


class ConnectionCollector(Collector):
    """Reads the ledgers and timesheets of `directory` at every scrape; holds no state of its own."""

    def __init__(self, directory: Path) -> None:
        self._books = Books(directory)
        self._timesheets = Timesheets(directory)

    def collect(self) -> Iterable[Metric]:
        statement = self._books.read()
        times = self._timesheets.read()
        return [
            *_gauges_and_counters(statement),
            _histogram(metrics.CONNECT_DURATION, statement.aliases, "connect_buckets", "connect_seconds"),
            _histogram(metrics.CONNECTION_AGE, statement.aliases, "age_buckets", "age_seconds"),
            _histogram(metrics.CONNECTION_REQUESTS, statement.aliases, "request_buckets", "requests"),
            *_pools({alias: totals for alias, totals in statement.aliases.items() if totals.pooled}),
            _http(times),
            _counter(metrics.COLLECTOR_ERRORS, [((), statement.damaged + times.damaged)]),
            _build_info(),
        ]


def _counter(metric: metrics.Metric, samples: Iterable[tuple[tuple[str, ...], float]]) -> CounterMetricFamily:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _gauge(metric: metrics.Metric, aliases: Mapping[str, Totals], quantity: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for alias, totals in aliases.items():
        family.add_metric([alias], getattr(totals, quantity))
    return family


def _pools(aliases: Mapping[str, Totals]) -> Iterable[Metric]:
    yield _gauge(metrics.POOL_SIZE, aliases, "pool_size")
    yield _gauge(metrics.POOL_AVAILABLE, aliases, "pool_available")
    yield _gauge(metrics.POOL_WAITING, aliases, "pool_waiting")
    yield _histogram(metrics.POOL_WAIT, aliases, "wait_buckets", "wait_seconds")


def _gauges_and_counters(statement: Statement) -> Iterable[Metric]:
    aliases = statement.aliases.items()
    yield _gauge(metrics.CONNECTIONS_OPEN, statement.aliases, "open")
    yield _counter(metrics.CONNECTIONS_OPENED, (((alias,), totals.opened) for alias, totals in aliases))
    yield _counter(
        metrics.CONNECTIONS_CLOSED,
        (((alias, why.label), n) for alias, totals in aliases for why, n in totals.closed.items()),
    )
    yield _counter(
        metrics.REQUESTS,
        (
            ((alias, connection), n)
            for alias, totals in aliases
            for connection, n in (("opened", totals.requests_opened), ("reused", totals.requests_reused))
        ),
    )
    yield _counter(
        metrics.CONNECT_ERRORS,
        (((alias, kind.label), n) for alias, totals in aliases for kind, n in totals.connect_errors.items()),
    )


def _histogram(
    metric: metrics.Metric, aliases: Mapping[str, Totals], buckets: str, total: str
) -> HistogramMetricFamily:
    samples = (([alias], getattr(totals, buckets), getattr(totals, total)) for alias, totals in aliases.items())
    return _histogram_of(metric, samples)


def _http(times: Times) -> HistogramMetricFamily:
    samples = (([one.route, one.method, one.status_class], one.buckets, one.seconds) for one in times.answered)
    return _histogram_of(metrics.HTTP_REQUEST_DURATION, samples)


def _histogram_of(
    metric: metrics.Metric, samples: Iterable[tuple[Sequence[str], Sequence[int], float]]
) -> HistogramMetricFamily:
    """Of (values of the labels, counts by bucket, sum)."""
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    edges = [*(str(float(edge)) for edge in metric.buckets), "+Inf"]
    for labels, counts, total in samples:
        family.add_metric(labels, list(zip(edges, accumulate(counts), strict=True)), total)
    return family


def _build_info() -> GaugeMetricFamily:
    family = GaugeMetricFamily(metrics.BUILD_INFO.name, metrics.BUILD_INFO.help, labels=metrics.BUILD_INFO.labels)
    family.add_metric([__version__, django.__version__, platform.python_version()], 1)
    return family
