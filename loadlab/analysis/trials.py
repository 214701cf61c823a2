"""One trial in scalars, over its window alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.analysis.rooms import leak_of
from loadlab.model.extract import extract_of
from loadlab.model.findings import TrialSummary
from loadlab.model.samples import CpuSeconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.samples import Trial


def summarise(trial: Trial) -> TrialSummary:
    """All scalars of a trial; throughput counts successes, latency is theirs and that of requests without answer."""
    extract, seconds = extract_of(trial), trial.window.seconds
    return TrialSummary(
        case=trial.case,
        block=trial.block,
        order=trial.order,
        state=trial.state,
        reason=trial.reason,
        window_seconds=seconds,
        requests=extract.requests,
        failures=extract.failures,
        throughput=(extract.requests - extract.failures) / seconds if seconds > 0 else 0.0,
        latency_seconds=extract.latency,
        connections=trial.connections,
        peak=trial.peak,
        opens_per_request=opens_per_request([trial]),
        cpu_seconds_per_request=_per_request(trial.cpu_seconds, extract.requests),
        service_seconds=extract.service,
        send_lag_p99_seconds=extract.send_lag_p99_seconds,
        dropped=extract.dropped,
        leak=leak_of(trial),
        quantities=trial.quantities,
        spread=trial.uses.spread if trial.uses else None,
        outpaced=trial.outpaced,
        unanswered=trial.unanswered,
        causes=trial.causes,
    )


def clients_peak(trial: Trial) -> int | None:
    """The most connections to a pooler at once, by the ledger or by the pooler; None without one."""
    pooler = trial.connections.pooler
    return max(int(trial.highest("open") or 0), pooler.at_rest.clients_open) if pooler else None


def refused(trial: Trial) -> int:
    """Attempts to connect that were turned away for want of room, by PostgreSQL or a pooler, during the whole trial."""
    seen = trial.connections.after_stop.connect_errors.get("too_many_connections", 0)
    pooler = trial.connections.pooler
    # The same attempts, counted on both sides; a client that gave up early may have missed its refusal.
    return max(seen, pooler.after_stop.refused) if pooler else seen


def opens_per_request(trials: Iterable[Trial]) -> float | None:
    """Connections opened for each request that used the database, in the windows of `trials`: 1 means no reuse.

    None where nothing used the database.
    """
    opened, reused = _openings_and_reuses(trials)
    return opened / (opened + reused) if opened + reused else None


def share_reused(trials: Iterable[Trial]) -> float | None:
    """The share of the requests that used the database which found a connection open; None where none did.

    It is not 1 - opens_per_request: that would be off by a rounding, and miss a limit that it just meets.
    """
    opened, reused = _openings_and_reuses(trials)
    return reused / (opened + reused) if opened + reused else None


def _openings_and_reuses(trials: Iterable[Trial]) -> tuple[int, int]:
    """Both from the target's ledgers, read at the same instants; the generator's clock has no part in it."""
    opened = reused = 0
    for trial in trials:
        before, after = trial.connections.window_start, trial.connections.window_end
        opened += after.opened - before.opened
        reused += after.reused - before.reused
    return opened, reused


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
