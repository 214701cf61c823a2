"""Makes prometheus-client's families of the catalogue's metrics."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.model.metrics import Metric


def family(metric: Metric, samples: Iterable[tuple[Sequence[str], float]]) -> CounterMetricFamily | GaugeMetricFamily:
    """A counter or a gauge, of (values of the labels, value)."""
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    made = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        made.add_metric(labels, value)
    return made


def histogram(metric: Metric, samples: Iterable[tuple[Sequence[str], Sequence[int], float]]) -> HistogramMetricFamily:
    """Of (values of the labels, counts by bucket, sum)."""
    made = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    edges = [*(str(float(edge)) for edge in metric.buckets), "+Inf"]
    for labels, counts, total in samples:
        made.add_metric(labels, list(zip(edges, accumulate(counts), strict=True)), total)
    return made
