"""One trial in scalars, over its window alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loadlab.analysis.rooms import leak_of
from loadlab.model.counts import total
from loadlab.model.findings import TrialSummary
from loadlab.model.samples import CpuSeconds
from loadlab.stats.quantiles import percentiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from loadlab.model.samples import Trial


def summarise(trial: Trial) -> TrialSummary:
    """All scalars of a trial; throughput counts successes, latency is theirs and that of requests without answer."""
    in_window = trial.window.of(trial.requests)
    waited = in_window & _waited(trial)
    failed = as_array(trial.requests.failed)[in_window] > 0
    seconds = trial.window.seconds
    requests, failures = int(failed.size), int(failed.sum())
    return TrialSummary(
        case=trial.case,
        block=trial.block,
        order=trial.order,
        state=trial.state,
        reason=trial.reason,
        window_seconds=seconds,
        requests=requests,
        failures=failures,
        throughput=(requests - failures) / seconds if seconds > 0 else 0.0,
        latency_seconds=percentiles(as_array(trial.requests.response)[waited]),
        connections=trial.connections,
        peak=trial.peak,
        opens_per_request=opens_per_request([trial]),
        cpu_seconds_per_request=_per_request(trial.cpu_seconds, requests),
        service_seconds=percentiles(service(trial)[waited]) if trial.case.open_load else None,
        send_lag_p99_seconds=_send_lag_p99(trial, in_window),
        dropped=_dropped(trial),
        leak=leak_of(trial),
        quantities=trial.quantities,
        outpaced=trial.outpaced,
        unanswered=trial.unanswered,
        causes=trial.causes,
    )


def _waited(trial: Trial) -> NDArray[np.bool_]:
    """Which requests say how long a visitor waits: those that succeeded, and those without a response.

    The latter waited longer than is known. Other failures may come fast, and would flatter.
    """
    waited: NDArray[np.bool_] = as_array(trial.requests.failed) == 0
    waited[as_array(trial.requests.no_answer).astype(np.intp)] = True
    return waited


def as_array(column: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(column, dtype=np.float64)


def service(trial: Trial) -> NDArray[np.float64]:
    """How long each request took from when it was sent."""
    return as_array(trial.requests.ended) - as_array(trial.requests.sent)


def _send_lag_p99(trial: Trial, in_window: NDArray[np.bool_]) -> float | None:
    if not trial.case.open_load:
        return None
    lag = (as_array(trial.requests.sent) - as_array(trial.requests.due))[in_window]
    return percentiles(lag[~np.isnan(lag)]).p99


def _dropped(trial: Trial) -> int:
    return int(trial.window.holds(trial.requests.dropped).sum())


def clients_peak(trial: Trial) -> int | None:
    """The most connections to a pooler at once, by the ledger or by the pooler; None without one."""
    pooler = trial.connections.pooler
    return max(most(trial.series.open), pooler.at_rest.clients_open) if pooler else None


def refused(trial: Trial) -> int:
    """Attempts to connect that were turned away for want of room, by PostgreSQL or a pooler, during the whole trial."""
    seen = trial.connections.after_stop.connect_errors.get("too_many_connections", 0)
    pooler = trial.connections.pooler
    # The same attempts, counted on both sides; a client that gave up early may have missed its refusal.
    return max(seen, pooler.after_stop.refused) if pooler else seen


def opens_per_request(trials: Iterable[Trial]) -> float | None:
    """Connections opened for each request that used the database, in the windows of `trials`: 1 means no reuse.

    Both counts come from the target's ledgers, read at the same instants; the generator's clock has no part in it.
    None where nothing used the database.
    """
    counted = total(trial.connections.in_window for trial in trials)
    uses = counted.opened + counted.reused
    return counted.opened / uses if uses else None


def most(column: Sequence[float]) -> int:
    return int(as_array(column).max(initial=0))


def _per_request(spent: CpuSeconds, requests: int) -> CpuSeconds | None:
    if not requests:
        return None
    return CpuSeconds(
        app=_share(spent.app, requests),
        database=_share(spent.database, requests),
        generator=spent.generator / requests,
        pooler=spent.pooler / requests,
        proxy=spent.proxy / requests,
    )


def _share(seconds: float | None, requests: int) -> float | None:
    return None if seconds is None else seconds / requests
