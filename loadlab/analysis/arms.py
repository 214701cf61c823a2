"""All complete trials of one case, summed up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.analysis import trials as measured
from loadlab.analysis.deployment import processes_of
from loadlab.analysis.leaking import COLLECTED
from loadlab.analysis.open_over_time import open_over_time
from loadlab.analysis.rooms import room_of
from loadlab.analysis.waiting import waiting
from loadlab.model.counts import added
from loadlab.model.findings import Arm, Estimate, Service, TrialSummary
from loadlab.model.samples import CpuSeconds, Recovery, Trial
from loadlab.stats.intervals import median as median_of
from loadlab.stats.intervals import of_median

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.model.case import Case
    from loadlab.model.findings import Leak
    from loadlab.model.percentiles import Percentiles

FEWEST_FOR_PERCENTILE: Final = 6  # trials that have it, where others have too few requests for it
AGES_TO_SEE_EXPIRY: Final = 3  # a shorter window sees few connections reach their age, or none


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredTrial:
    """A trial beside its summary."""

    trial: Trial
    summary: TrialSummary

    @property
    def complete(self) -> bool:
        return self.trial.state == "complete"

    @property
    def leaked(self) -> bool:
        """Whether it shows a leak, though the target did not keep up with its load."""
        return self.summary.leak == "yes" and (self.complete or self.summary.outpaced)


def arm(case: Case, measured_trials: Iterable[MeasuredTrial], recovery: Recovery | None = None) -> Arm:
    """Of all trials of a case only the complete ones count: the others stay visible elsewhere.

    A leak is the exception. It may be why the target did not keep up with the load, and it is counted, not timed.
    """
    everything = list(measured_trials)
    counted = [one for one in everything if one.complete]
    held = [one.trial for one in everything if one.complete or one.leaked]
    peaks = [one.summary.peak for one in everything if one.complete or one.leaked]
    leak = leak_of_all([one.summary.leak for one in everything if one.complete or one.leaked])
    peak = max(peaks, default=0)
    return replace(
        _of_complete(case, [one.trial for one in counted], [one.summary for one in counted]),
        peak=peak,
        left_open=max((trial.connections.open_at_rest for trial in held), default=0),
        leak=leak,
        leaks=leak == "yes",
        open_after_bursts=_open_after_bursts(held),
        collected=sum(trial.connections.at_rest.closed.get(COLLECTED, 0) for trial in held),
        held_per_process=_per_process(peak, processes_of(case), [one.trial for one in counted]),
        recovery=recovery,
    )


def _of_complete(case: Case, trials: Sequence[Trial], summaries: Sequence[TrialSummary]) -> Arm:
    """What complete trials alone tell."""
    # A trial without any success has no latency; a caveat says so.
    p50, p95, p99 = percentile_estimates(one.latency_seconds for one in summaries if one.requests > one.failures)
    requests = sum(summary.requests for summary in summaries)
    return Arm(
        case=case,
        trials=len(trials),
        requests=requests,
        failures=sum(summary.failures for summary in summaries),
        throughput=estimate(summary.throughput for summary in summaries),
        p50_seconds=p50,
        p95_seconds=p95,
        p99_seconds=p99,
        opens_per_request=measured.opens_per_request(trials),
        reuse=measured.share_reused(trials),
        connect_seconds=_connect_seconds(trials),
        peak=0,
        left_open=0,
        leaks=False,
        refused=sum(map(measured.refused, trials)),
        connect_errors=_connect_errors(trials),
        cpu_seconds_per_request=_median_cpu(summaries),
        exact_trials=sum(trial.connections.exact for trial in trials),
        expiry_observed=_expiry_observed(case, trials),
        open_over_time=open_over_time(trials),
        processes=processes_of(case),
        clients_peak=_most(map(measured.clients_peak, trials)),
        clients_left=_most(_clients_left(trial) for trial in trials),
        waiting=waiting(trials, requests),
        service=_service(summaries) if case.open_load else None,
        quantities=_quantities(summaries),
        usable=_usable(trials) or case.usable_connections,
    )


def _open_after_bursts(trials: Sequence[Trial]) -> tuple[int, ...]:
    """The most over all trials, at each place; a trial that lost its generator has fewer."""
    return tuple(map(max, zip_longest(*(trial.connections.open_after_bursts for trial in trials), fillvalue=0)))


def _usable(trials: Sequence[Trial]) -> int | None:
    """The most that they can use at once: trials of a case differ in how many aliases they used, and in no more."""
    alike = {len(trial.connections.by_alias): trial for trial in trials}
    return _most(room.most if (room := room_of(trial)) else None for trial in alike.values())


def _quantities(summaries: Sequence[TrialSummary]) -> dict[str, Estimate]:
    """What probes have read and nothing else here shows, by the names of the quantities."""
    names = dict.fromkeys(name for one in summaries for name in one.quantities)
    values = {name: estimate(one.quantities.get(name) for one in summaries) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def leak_of_all(leaks: Sequence[Leak]) -> Leak:
    """One trial that leaks is enough, for a leak is counted and not timed; most must show that there is none."""
    if "yes" in leaks:
        return "yes"
    return "no" if 2 * leaks.count("no") > len(leaks) else "cannot tell"


def _service(summaries: Sequence[TrialSummary]) -> Service:
    times = [one.service_seconds for one in summaries if one.service_seconds and one.requests > one.failures]
    p50, p95, p99 = percentile_estimates(times)
    return Service(
        p50_seconds=p50,
        p95_seconds=p95,
        p99_seconds=p99,
        send_lag_p99_seconds=estimate(summary.send_lag_p99_seconds for summary in summaries),
    )


def estimate(values: Iterable[float | None]) -> Estimate | None:
    """The median over the trials that have a value, with the 95 % interval of a median from six of them on."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not known.size:
        return None
    low, high = of_median(known) or (None, None)
    return Estimate(value=float(median_of(known)), low=low, high=high)


def percentile_estimates(trials: Iterable[Percentiles]) -> tuple[Estimate | None, Estimate | None, Estimate | None]:
    """p50, p95 and p99, each None where too few trials have it.

    A trial has a high percentile only with enough requests, so the fastest trials have it first: their median may lie
    below that of a lower percentile over all trials, and is withheld then.
    """
    every = list(trials)
    p50 = _estimate_of([one.p50 for one in every], above=None)
    p95 = _estimate_of([one.p95 for one in every], above=p50)
    return p50, p95, _estimate_of([one.p99 for one in every], above=p95 or p50)


def _estimate_of(values: Sequence[float | None], *, above: Estimate | None) -> Estimate | None:
    known = sum(value is not None for value in values)
    enough = known == len(values) or known >= FEWEST_FOR_PERCENTILE
    made = estimate(values) if enough else None
    return made if made is None or above is None or made.value >= above.value else None


def _per_process(peak: int, processes: int | None, trials: Sequence[Trial]) -> float | None:
    """A pooler's connections belong to no process of the project."""
    pooled = any(trial.connections.pooler for trial in trials)
    return peak / processes if processes and trials and not pooled else None


def _clients_left(trial: Trial) -> int | None:
    pooler = trial.connections.pooler
    return pooler.at_rest.clients_open if pooler else None


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _connect_seconds(trials: Sequence[Trial]) -> float | None:
    """The mean over all connections opened, warm-up included."""
    counted = [trial.connections.after_stop for trial in trials]
    return _share(sum(one.connect_seconds_sum for one in counted), sum(one.opened for one in counted))


def _connect_errors(trials: Sequence[Trial]) -> dict[str, int]:
    return dict(sorted(added(trial.connections.after_stop.connect_errors for trial in trials).items()))


def _median_cpu(summaries: Sequence[TrialSummary]) -> CpuSeconds | None:
    spent = [summary.cpu_seconds_per_request for summary in summaries]
    known = [cpu for cpu in spent if cpu is not None]
    if not known:
        return None
    return CpuSeconds(
        app=_median(cpu.app for cpu in known),
        database=_median(cpu.database for cpu in known),
        generator=median(cpu.generator for cpu in known),
        pooler=median(cpu.pooler for cpu in known),
        proxy=median(cpu.proxy for cpu in known),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _expiry_observed(case: Case, trials: Sequence[Trial]) -> bool | None:
    if not case.max_age:
        return None
    shortest = min((trial.window.seconds for trial in trials), default=0.0)
    return shortest >= AGES_TO_SEE_EXPIRY * case.max_age


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
