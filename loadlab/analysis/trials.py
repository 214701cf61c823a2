"""One trial in scalars, over its window alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.analysis.leaking import loses
from loadlab.analysis.quantiles import percentiles
from loadlab.model.findings import TrialSummary
from loadlab.model.samples import OUTPACED, CpuSeconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from loadlab.model.samples import Trial

# A response is sent slightly before its connection closes, so that a few more than usable may be open for a
# moment. What leaks grows with every request and soon leaves this allowance behind.
LEAK_FACTOR: Final = 1.5
LEAK_SPARE: Final = 2


def summarise(trial: Trial) -> TrialSummary:
    """All scalars of a trial; throughput counts successes, latency is theirs too."""
    in_window = window_mask(trial)
    failed = as_array(trial.requests.failed)[in_window] > 0
    seconds = window_seconds(trial)
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
        latency_seconds=percentiles(as_array(trial.requests.response)[in_window][~failed]),
        connections=trial.connections,
        peak=trial.peak,
        opens_per_request=opened_in_window(trial) / requests if requests else None,
        cpu_seconds_per_request=_per_request(trial.cpu_seconds, requests),
        service_seconds=percentiles(service(trial)[in_window][~failed]) if trial.case.open_load else None,
        send_lag_p99_seconds=_send_lag_p99(trial, in_window),
        dropped=_dropped(trial),
        outpaced=trial.state == "invalid" and any(words in trial.reason for words in OUTPACED),
    )


def as_array(column: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(column, dtype=np.float64)


def window_mask(trial: Trial) -> NDArray[np.bool_]:
    """Which requests belong to the window: those that ended in it; under an open load, those that were due in it.

    Whatever is slow would otherwise end too late to be seen.
    """
    if not trial.case.open_load:
        instants = as_array(trial.requests.ended)
    else:
        due, sent = as_array(trial.requests.due), as_array(trial.requests.sent)
        instants = np.where(np.isnan(due), sent, due)
    return _within(trial, instants)


def _within(trial: Trial, instants: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (instants >= trial.window_start) & (instants < trial.window_end)


def service(trial: Trial) -> NDArray[np.float64]:
    """How long each request took from when it was sent."""
    return as_array(trial.requests.ended) - as_array(trial.requests.sent)


def _send_lag_p99(trial: Trial, in_window: NDArray[np.bool_]) -> float | None:
    if not trial.case.open_load:
        return None
    lag = (as_array(trial.requests.sent) - as_array(trial.requests.due))[in_window]
    return percentiles(lag[~np.isnan(lag)]).p99


def _dropped(trial: Trial) -> int:
    return int(_within(trial, as_array(trial.requests.dropped)).sum())


def window_seconds(trial: Trial) -> float:
    return trial.window_end - trial.window_start


def clients_peak(trial: Trial) -> int | None:
    """The most connections to a pooler at once, by the ledger or by the pooler; None without one."""
    pooler = trial.connections.pooler
    return max(most(trial.series.open), pooler.at_rest.clients_open) if pooler else None


def leaks(trial: Trial) -> bool:
    """Whether clearly more connections were open than the mode can use at once.

    The ledger is asked, not PostgreSQL: pg_stat_activity also shows backends that are still exiting. With a pooler in
    between, it is the project's connections to the pooler that may leak. Where nobody knows what can be used, it is
    told from how connections ended.
    """
    usable = trial.case.usable_connections
    if usable is None:
        return _loses(trial)
    clients = clients_peak(trial)
    held = max(most(trial.series.open), trial.connections.open_at_rest) if clients is None else clients
    return held > LEAK_FACTOR * usable + LEAK_SPARE


def _loses(trial: Trial) -> bool:
    rest, before = trial.connections.at_rest, trial.connections.open_before
    requests = rest.opened + rest.reused
    share = rest.reused / requests if requests else 0.0
    return loses(opened=rest.opened, share_reused=share, closed=rest.closed, grown=rest.open - before)


def refused(trial: Trial) -> int:
    """Attempts to connect that were turned away for want of room, by PostgreSQL or a pooler, during the whole trial."""
    seen = trial.connections.after_stop.connect_errors.get("too_many_connections", 0)
    pooler = trial.connections.pooler
    # The same attempts, counted on both sides; a client that gave up early may have missed its refusal.
    return max(seen, pooler.after_stop.refused) if pooler else seen


def opened_in_window(trial: Trial) -> int:
    return trial.connections.window_end.opened - trial.connections.window_start.opened


def reused_in_window(trial: Trial) -> int:
    return trial.connections.window_end.reused - trial.connections.window_start.reused


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
