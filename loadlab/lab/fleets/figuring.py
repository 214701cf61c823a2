"""The figures of a small fleet from what was seen of it, and what makes them doubtful."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.fleet_validation import SAMPLE_SECONDS, FleetFigures
from loadlab.model.metrics import CloseReason, ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.fleets.counting import FleetSample
    from loadlab.lab.fleets.happening import FleetEvents
    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.counts import ConnectionCounts
    from loadlab.model.fleet_validation import Configuration
    from loadlab.model.samples import Series

LEAST_SAMPLED: Final = 0.95  # of the samples that were due
LONGEST_PAUSE_SECONDS: Final = 0.5  # in which the generator sent nothing because it did not run
POOL: Final = "pool"


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """All that was seen of a load: both ends' counts before and after it, its result, and samples in between.

    `stayed` says that no host's server ended by itself, `reset` that PostgreSQL's statistics began anew.
    """

    start: FleetSample
    end: FleetSample
    result: LoadResult
    series: Series
    happening: FleetEvents
    stayed: bool
    reset: bool

    @property
    def of_load(self) -> ConnectionCounts:
        """What the hosts counted since the start of the load."""
        return self.end.counts - self.start.counts

    @property
    def away(self) -> int:
        """Samples at which PostgreSQL accepted no connection."""
        return int(sum(self.series.of("away")))

    @property
    def late_seconds(self) -> float:
        """The 99th percentile of how late requests were sent."""
        requests = self.result.requests
        late = np.asarray(requests.sent) - np.asarray(requests.due)
        return float(np.nanquantile(late, 0.99)) if np.isfinite(late).any() else 0.0


def figures(seen: Seen, configuration: Configuration) -> FleetFigures:
    requests, counts = seen.result.requests, seen.of_load
    backends = _backends(seen.series, configuration.seconds)
    failures = int(sum(requests.failed))
    refused = _refused(counts, configuration)
    return FleetFigures(
        opened=seen.end.sessions - seen.start.sessions,
        mean_open=float(np.mean(backends)) if backends else 0.0,
        p99_open=float(np.quantile(backends, 0.99)) if backends else 0.0,
        requests=len(requests),
        reused=max(0, counts.reused - _lost(seen, configuration, failures)),
        refused=refused,
        failed=max(0, failures - refused),
        gaps=tuple(_gaps(seen, configuration, failures - refused)),
    )


def _backends(series: Series, seconds: float) -> list[float]:
    return [count for at, count in zip(series.at, series.backends, strict=True) if at <= seconds]


def _refused(counts: ConnectionCounts, configuration: Configuration) -> int:
    """Requests that found PostgreSQL full; a pool tries by itself, and its requests wait for it."""
    if configuration.strategy.name == POOL:
        return 0
    return counts.connect_errors.get(ConnectError.TOO_MANY_CONNECTIONS.label, 0)


def _lost(seen: Seen, configuration: Configuration, failures: int) -> int:
    """Requests that failed because PostgreSQL had ended their connection; hosts count them as having found one.

    Behind PgBouncer nearly all of those that fail have just connected to it.
    """
    if not seen.happening.outages or seen.end.pooler is not None:
        return 0
    counts = seen.of_load
    if configuration.strategy.name == POOL:
        return failures - counts.connect_errors.get(ConnectError.POOL_TIMEOUT.label, 0)
    return counts.closed.get(CloseReason.UNUSABLE.label, 0)


def _gaps(seen: Seen, configuration: Configuration, others: int) -> Iterator[str]:
    """What makes the figures doubtful; `others` are failures beside refusals."""
    lost = bool(seen.happening.outages)
    for when, counted in (("before", seen.start), ("after", seen.end)):
        for mismatch in counted.mismatches(lost=lost):
            yield f"{when} the load, {mismatch.kind.value}: {mismatch.ours} and {mismatch.theirs}"
    if seen.reset:
        yield "PostgreSQL's statistics began anew"
    if not seen.stayed:
        yield "a host's server ended by itself"
    if seen.away and not lost:
        yield f"PostgreSQL was away at {seen.away} samples"
    if others < 0:
        yield f"{-others} more refusals than failed requests"
    yield from _gaps_of_load(seen, configuration)


def _gaps_of_load(seen: Seen, configuration: Configuration) -> Iterator[str]:
    requests, units = seen.result.requests, seen.of_load.requests
    answered = len(requests) - int(sum(requests.failed))
    if units < answered:
        yield f"{answered - units} answered requests that no host counts"
    if len(requests.dropped):
        yield f"{len(requests.dropped)} requests were not sent: too many were under way"
    longest = max((pause.seconds for pause in seen.result.pauses), default=0.0)
    if longest > LONGEST_PAUSE_SECONDS:
        yield f"the generator stood still for {longest:.2f} s"
    sampled, due = len(_backends(seen.series, configuration.seconds)), configuration.seconds / SAMPLE_SECONDS
    if sampled < LEAST_SAMPLED * due:
        yield f"{sampled} samples instead of {due:.0f}"
