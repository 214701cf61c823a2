"""Turns what processes have written down into Prometheus metrics; prometheus-client does the exposition."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import django
from prometheus_client.registry import Collector

from loadlab import __version__
from loadlab.instrumentation.archive import Archive
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.families import family, histogram
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.model import metrics
from loadlab.model.holders import Holder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from loadlab.instrumentation.counters import Snapshot, Totals
    from loadlab.instrumentation.request_totals import Times


class ConnectionCollector(Collector):
    """Reads the ledgers and request times of `directory` at every scrape, by an `archive`; holds no state."""

    def __init__(self, directory: Path, archive: type[Archive] = Archive) -> None:
        self._counters = CounterSet(directory, archive)
        self._request_totals = RequestTotals(directory, archive)

    def collect(self) -> Iterable[Metric]:
        snapshot = self._counters.read()
        times = self._request_totals.read()
        return [
            *_gauges_and_counters(snapshot),
            _gauge(metrics.CONNECTS_UNSETTLED, snapshot.aliases, "unsettled"),
            _histogram(metrics.CONNECT_DURATION, snapshot.aliases, "connect_buckets", "connect_seconds"),
            _histogram(metrics.CONNECTION_AGE, snapshot.aliases, "age_buckets", "age_seconds"),
            _histogram(metrics.CONNECTION_REQUESTS, snapshot.aliases, "request_buckets", "requests"),
            *_pools({alias: totals for alias, totals in snapshot.aliases.items() if totals.pooled}),
            _http(times),
            family(metrics.COLLECTOR_ERRORS, [((), snapshot.damaged + times.damaged)]),
            _build_info(),
        ]


def _gauge(metric: metrics.Metric, aliases: Mapping[str, Totals], quantity: str) -> Metric:
    return family(metric, (([alias], getattr(totals, quantity)) for alias, totals in aliases.items()))


def _pools(aliases: Mapping[str, Totals]) -> Iterable[Metric]:
    yield _gauge(metrics.POOL_SIZE, aliases, "pool_size")
    yield _gauge(metrics.POOL_AVAILABLE, aliases, "pool_available")
    yield _gauge(metrics.POOL_WAITING, aliases, "pool_waiting")
    yield _histogram(metrics.POOL_WAIT, aliases, "wait_buckets", "wait_seconds")


def _held(alias: str, totals: Totals) -> Iterable[tuple[Sequence[str], int]]:
    """Every holder, but for the one that is not known where there is none such."""
    return (
        ((alias, holder.label), count)
        for holder, count in totals.holders.items()
        if count or holder is not Holder.UNKNOWN
    )


def _gauges_and_counters(snapshot: Snapshot) -> Iterable[Metric]:
    aliases = snapshot.aliases.items()
    yield family(metrics.CONNECTIONS_OPEN, (each for alias, totals in aliases for each in _held(alias, totals)))
    yield family(metrics.CONNECTIONS_OPENED, (((alias,), totals.opened) for alias, totals in aliases))
    yield family(
        metrics.CONNECTIONS_CLOSED,
        (((alias, why.label), n) for alias, totals in aliases for why, n in totals.closed.items()),
    )
    yield family(
        metrics.REQUESTS,
        (
            ((alias, connection), n)
            for alias, totals in aliases
            for connection, n in (("opened", totals.requests_opened), ("reused", totals.requests_reused))
        ),
    )
    yield family(
        metrics.UNITS,
        (
            ((alias, kind.label, connection), n)
            for alias, totals in aliases
            for kind, pair in totals.units.items()
            for connection, n in zip(metrics.CONNECTION, pair, strict=True)
        ),
    )
    yield from _roles(snapshot)
    yield family(
        metrics.CONNECT_ERRORS,
        (((alias, kind.label), n) for alias, totals in aliases for kind, n in totals.connect_errors.items()),
    )


def _roles(snapshot: Snapshot) -> Iterable[Metric]:
    roles = [
        (alias, role.label, pair) for alias, totals in snapshot.aliases.items() for role, pair in totals.roles.items()
    ]
    yield family(metrics.ROLE_OPEN, (((alias, role), now) for alias, role, (now, _) in roles))
    yield family(metrics.ROLE_OPENED, (((alias, role), opened) for alias, role, (_, opened) in roles))


def _histogram(metric: metrics.Metric, aliases: Mapping[str, Totals], buckets: str, total: str) -> Metric:
    samples = (([alias], getattr(totals, buckets), getattr(totals, total)) for alias, totals in aliases.items())
    return histogram(metric, samples)


def _http(times: Times) -> Metric:
    samples = (([one.route, one.method, one.status_class], one.buckets, one.seconds) for one in times.answered)
    return histogram(metrics.HTTP_REQUEST_DURATION, samples)


def _build_info() -> Metric:
    return family(metrics.BUILD_INFO, [([__version__, django.__version__, platform.python_version()], 1)])
