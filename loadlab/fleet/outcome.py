"""What one strategy does on a fleet: simulated several times, with a band for every figure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.bands import band, over_time, times
from loadlab.fleet.engine.simulate import engine_for
from loadlab.fleet.limits import caveats_of, utilisation
from loadlab.fleet.repeating import SimulationInputs, generator, repeated
from loadlab.model.fleet_outcome import AfterMoment, FleetOutcome, Moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.findings import OverTime
    from loadlab.model.fleet import Application, Counts, Keeping, Numbers, Scene, Simulated
    from loadlab.model.fleet_outcome import Band

STEPS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds between two samples
MOST_SAMPLES: Final = 100_000
AFTERWARDS: Final = 60.0  # seconds after an event that count as its effect
START: Final = Moment(name="start", start=0.0, end=0.0)
QUANTILES: Final = (0.1, 0.5, 0.9)
NO_LIMIT: Final = 1_000_000_000
MORE: Final = 20  # a number of connections that was not enough is raised by a twentieth


@dataclass(frozen=True, kw_only=True, slots=True)
class _Repeat:
    """What is kept of one simulation: `opens` are connections opened per second, in each span of a second."""

    simulated: Simulated
    open: Numbers
    opens: Numbers


def instants(seconds: float) -> Numbers:
    """When open connections are sampled: every 0.1 s, or less often where that would be too many."""
    step = next((step for step in STEPS if seconds / step <= MOST_SAMPLES), seconds / MOST_SAMPLES)
    at: Numbers = np.minimum(np.arange(int(np.ceil(seconds / step)) + 1) * step, seconds)
    return at


def outcome(  # noqa: PLR0913  what a simulation needs, and how often
    keeping: Keeping,
    application: Application,
    scene: Scene,
    repeats: int | None,
    seed: int,
    *,
    moments: Sequence[Moment] = (),
) -> FleetOutcome:
    """All figures of one strategy; `moments` are the events that have a figure each.

    Without a number of `repeats`, there are as many as are soon done, four at least.

    Raises:
        UsageError: this strategy cannot be simulated there.
    """
    at = instants(scene.rates.seconds)
    inputs = SimulationInputs(keeping=keeping, application=application, scene=scene, at=at)
    made = [_repeat(ran, at) for ran in repeated(inputs, repeats, seed)]
    engine = engine_for(keeping, application, scene)
    found = _figures(inputs, made)
    found = replace(
        found,
        engine=engine.name,
        engine_because=engine.because,
        sampled_hosts=engine.hosts,
        after=tuple(_after(moment, at, made) for moment in (START, *moments)),
        busy_threads=utilisation(keeping, application, scene, found.opens_per_request.middle),
    )
    if not found.fits:
        found = replace(found, needed=_needed(inputs, seed))
    elif not found.needed and found.opens_per_second.high:
        found = replace(found, needed=1)  # it was open between two samples
    return replace(found, caveats=caveats_of(found, application, scene))


def _figures(inputs: SimulationInputs, made: Sequence[_Repeat]) -> FleetOutcome:
    """All that follows from the simulations alone."""
    application, at = inputs.application, inputs.at
    ran, seconds = [one.simulated for one in made], inputs.scene.rates.seconds
    opens = band([one.opened[-1] / seconds for one in ran])
    most = band([float(one.open.max()) for one in made])
    refused = band([one.refused for one in ran])
    peak = _opens_peak(at, seconds, made)
    return FleetOutcome(
        keeping=inputs.keeping,
        engine="by_opening",
        engine_because="",
        sampled_hosts=None,
        repeats=len(made),
        seconds=seconds,
        sample_seconds=float(at[1]),
        open_median=band([float(np.median(one.open)) for one in made]),
        open_p99=band([float(np.quantile(one.open, 0.99)) for one in made]),
        open_most=most,
        opens_per_second=opens,
        opens_peak=peak,
        after=(),
        requests=band([one.requests for one in ran]),
        reuse=band([_share(one.reused, one.requests) for one in ran]),
        opens_per_request=band([_share(one.client_opened, one.requests) for one in ran]),
        refused=refused,
        failed=band([one.failed for one in ran]),
        waited=band([one.waited for one in ran]),
        waiting_seconds=_waiting(ran),
        ages_at_close=_ages(ran),
        closed_by=_closed_by(ran),
        database_cores=times(opens, application.database_cpu_per_connect),
        database_cores_peak=times(peak, application.database_cpu_per_connect),
        app_cores=times(band([one.client_opened / seconds for one in ran]), application.app_cpu_per_connect),
        idle_bytes=times(most, application.idle_backend_bytes),
        free=inputs.scene.database.free,
        needed=int(most.high),
        fits=refused.high == 0,
        open_over_time=_over_time(at, [one.open for one in made]),
        opens_over_time=_over_time(_bins(at), [one.opens for one in made]),
    )


def _opens_peak(at: Numbers, seconds: float, made: Sequence[_Repeat]) -> Band:
    """The most connections that open in a second, once the fleet's first ones are open."""
    settled = _bin_of(at, min(AFTERWARDS, seconds / 10))
    return band([float(one.opens[settled:].max()) for one in made])


def limited(scene: Scene, free: int) -> Scene:
    """The same, with room for so many connections."""
    return replace(scene, database=replace(scene.database, max_connections=free + scene.database.reserved))


def without_limit(scene: Scene) -> Scene:
    """The same, with room for every connection."""
    return limited(scene, NO_LIMIT)


def _needed(inputs: SimulationInputs, seed: int) -> int:
    """How many connections would have been enough: the most that were open, or more where that was between samples."""
    scene = inputs.scene
    ran = replace(inputs, scene=without_limit(scene)).run(generator(seed, 0))
    needed = int(ran.open.max())
    if ran.refused:  # by PgBouncer: more connections of PostgreSQL change nothing
        return needed
    needed = max(needed, scene.database.free + 1)
    if engine_for(inputs.keeping, inputs.application, scene).exact:
        ends = replace(inputs, at=inputs.at[[0, -1]])
        while replace(ends, scene=limited(scene, needed)).run(generator(seed, 0)).refused:
            needed += max(1, needed // MORE)
    return needed


def _repeat(ran: Simulated, at: Numbers) -> _Repeat:
    edges = _edges(at)
    opens = np.diff(ran.opened[edges]) / np.diff(at[edges])
    return _Repeat(simulated=ran, open=ran.open.astype(np.float64), opens=opens)


def _edges(at: Numbers) -> Counts:
    """Which samples are the edges of spans of a second, or of one sample where that is longer."""
    every = max(1, round(1.0 / float(at[1])))
    return np.unique(np.append(np.arange(0, len(at), every), len(at) - 1))


def _bins(at: Numbers) -> Numbers:
    """When each span begins."""
    begins: Numbers = at[_edges(at)][:-1]
    return begins


def _bin_of(at: Numbers, instant: float) -> int:
    """The span with this instant."""
    return max(0, int(np.searchsorted(_bins(at), instant, side="right")) - 1)


def _after(moment: Moment, at: Numbers, made: Sequence[_Repeat]) -> AfterMoment:
    end = moment.end + AFTERWARDS
    spans = slice(_bin_of(at, moment.start), _bin_of(at, end) + 1)
    samples = slice(min(int(np.searchsorted(at, moment.start)), len(at) - 1), int(np.searchsorted(at, end)) + 1)
    return AfterMoment(
        moment=moment,
        opens_per_second=band([float(one.opens[spans].max()) for one in made]),
        open=band([float(one.open[samples].max()) for one in made]),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _waiting(ran: Sequence[Simulated]) -> Band | None:
    waits = [one.waiting_seconds / one.waited for one in ran if one.waited]
    return band(waits) if waits else None


def _ages(ran: Sequence[Simulated]) -> tuple[float, float, float] | None:
    ages = np.concatenate([one.ages for one in ran])
    if not len(ages):
        return None
    tenth, half, ninety = np.quantile(ages, QUANTILES).tolist()
    return tenth, half, ninety


def _closed_by(ran: Sequence[Simulated]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for one in ran:
        total.update(one.closed_by)
    return {cause: count / len(ran) for cause, count in total.items() if count}


def _over_time(at: Numbers, made: Sequence[Numbers]) -> OverTime:
    return over_time(at, np.median(made, axis=0), np.min(made, axis=0), np.max(made, axis=0))
