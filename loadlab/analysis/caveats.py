"""What a reader must know before trusting a figure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from loadlab.analysis import closed_forms
from loadlab.analysis.arms import AGES_TO_SEE_EXPIRY
from loadlab.analysis.comparisons import family_size
from loadlab.analysis.lost_trials import contradictions, lost_trials
from loadlab.model.caveats import Caveat, CaveatKind, Several, TrialOf
from loadlab.model.extract import extract_of
from loadlab.model.findings import PROJECT
from loadlab.model.percentiles import smallest_sample
from loadlab.model.project_notes import notes_of
from loadlab.stats.blocks import ALPHA, FEWEST_BLOCKS, blocks_needed, smallest_p

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.analysis.arms import MeasuredTrial
    from loadlab.model.caveats import Figures
    from loadlab.model.comparison import Comparison
    from loadlab.model.config import Scalar
    from loadlab.model.findings import Arm, RunSummary
    from loadlab.model.samples import Trial

BUSY_GENERATOR: Final = 0.9  # of one core; beyond it, the generator is what is measured
BUSY_PROXY: Final = 0.6  # of one core; it has one, and its own queue shows before that is full
LONG_WAIT: Final = 0.1  # of the median response; below it, waiting is not what a request spends its time on
LITTLE_TOLERANCE: Final = 0.05
QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def caveats(
    run: RunSummary, everything: Sequence[MeasuredTrial], arms: Sequence[Arm], comparisons: Sequence[Comparison]
) -> tuple[Caveat, ...]:
    """The gravest first: counts that do not reconcile, then trials that do not count, then limits of what does."""
    complete = [one for one in everything if one.complete]
    steady = [arm for arm in arms if arm.case.fault is None]  # what a fault does to requests is no caveat
    return (
        *_irreconcilable_counts(complete),
        *_other_traffic(complete),
        *_ended_workers(complete),
        *_missing_trials(run, arms),
        *_trials_that_do_not_count(everything),
        *_reach(run, comparisons),
        *_thin_comparisons(run, comparisons),
        *_noise(run, comparisons),
        *_failures(steady),
        *_without_database(steady),
        *lost_trials(everything, comparisons),
        *contradictions(run, arms, comparisons),
        *_busy_generator(complete),
        *_busy_proxy(complete),
        *_skewed_starts(complete),
        *_long_waits(steady),
        *_idle_users(complete),
        *_withheld_percentiles(complete),
        *_unseen_expiry(steady),
        *_left_out(run),
    )


def remarks(environment: Mapping[str, Mapping[str, Scalar]]) -> Iterator[Caveat]:
    """What has a part in all figures: a machine that was busy, and settings of a project of the user's own."""
    yield from _busy_machine(environment.get("machine", {}))
    for code, text in notes_of(environment).items():
        yield Caveat(kind=CaveatKind.PROJECT_NOTE, subject=PROJECT, figures={"code": code, "note": text})


def _busy_machine(machine: Mapping[str, Scalar]) -> Iterator[Caveat]:
    """Others had more to do than there are cores, before the run added its own work."""
    load, cores = machine.get("load_average_before_run", machine.get("load_average_at_start")), machine.get("cores")
    if isinstance(load, int | float) and isinstance(cores, int) and load >= cores:
        yield Caveat(kind=CaveatKind.BUSY_MACHINE, subject="machine", figures={"load": load, "cores": cores})


def _irreconcilable_counts(complete: Sequence[MeasuredTrial]) -> Iterator[Caveat]:
    for one in complete:
        connections = one.trial.connections
        if mismatches := connections.mismatches:
            figures: Figures = {"mismatches": mismatches}
            yield Caveat(kind=CaveatKind.NOT_RECONCILED, subject=_trial(one), figures=figures)
        if connections.unjudged:
            yield Caveat(kind=CaveatKind.NOT_JUDGED, subject=_trial(one), figures={"why": connections.unjudged})


def _other_traffic(complete: Sequence[MeasuredTrial]) -> Iterator[Caveat]:
    """What a target served elsewhere has answered beyond what it was sent; users may end with a request under way."""
    yield from _worst(CaveatKind.OTHER_TRAFFIC, "share", [(_others_share(one.trial), one) for one in complete], 0.0)


def _worst(
    kind: CaveatKind, figure: str, measured: Sequence[tuple[float, MeasuredTrial]], limit: float
) -> Iterator[Caveat]:
    """One caveat for all trials with a figure beyond the limit, which names the worst of them."""
    beyond = [pair for pair in measured if pair[0] > limit]
    if beyond:
        most, worst = max(beyond, key=lambda pair: pair[0])
        figures: Figures = {figure: most, "worst": _trial(worst)}
        yield Caveat(kind=kind, subject=Several(count=len(beyond), of="trial"), figures=figures)


def _ended_workers(complete: Sequence[MeasuredTrial]) -> Iterator[Caveat]:
    """Of a target that others serve, only its own counts say that a process of it ended within the window."""
    for one in complete:
        counts = one.trial.connections
        if counts.stopped:
            continue
        ended = counts.in_window.closed.get("process_exit", 0)
        if ended > 0:
            yield Caveat(kind=CaveatKind.WORKER_ENDED, subject=_trial(one), figures={"connections": ended})


def _others_share(trial: Trial) -> float:
    if not trial.served:
        return 0.0
    sent = extract_of(trial).sent + trial.case.users
    return max(0, trial.served - sent) / trial.served


def _missing_trials(run: RunSummary, arms: Sequence[Arm]) -> Iterator[Caveat]:
    if run.trials_done < run.trials_planned:
        figures: Figures = {"missing": run.trials_planned - run.trials_done, "planned": run.trials_planned}
        yield Caveat(kind=CaveatKind.TRIALS_MISSING, subject="run", figures=figures)
    kind = CaveatKind.CASE_INVALID if run.trials_invalid else CaveatKind.CASE_NOT_MEASURED
    yield from (Caveat(kind=kind, subject=arm.case) for arm in arms if not arm.trials)


def _trials_that_do_not_count(everything: Sequence[MeasuredTrial]) -> Iterator[Caveat]:
    for one in everything:
        if not one.complete:
            against = one.summary.outpaced or one.summary.silent
            yield Caveat(
                kind=CaveatKind.TRIAL_AGAINST_CASE if against else CaveatKind.TRIAL_NOT_COUNTED,
                subject=_trial(one),
                figures={"state": one.trial.state, "reason": one.trial.reason or "no reason given"},
            )


def _reach(run: RunSummary, comparisons: Sequence[Comparison]) -> Iterator[Caveat]:
    """Whether the best possible p can be small enough for a verdict of better or worse."""
    family = family_size(comparisons, run.primary_metric)
    blocks = max((one.blocks for one in comparisons if one.p_holm is not None and one.question == "keep"), default=0)
    needed = blocks_needed(family)
    if blocks and blocks < needed:
        yield Caveat(
            kind=CaveatKind.BLOCKS_MISSING if run.blocks >= needed else CaveatKind.BLOCKS_TOO_FEW,
            subject="run",
            figures={
                "blocks": blocks,
                "comparisons": family,
                "p": min(1.0, smallest_p(blocks) * family),
                "alpha": ALPHA,
                "needed": needed,
            },
        )


def _thin_comparisons(run: RunSummary, comparisons: Sequence[Comparison]) -> Iterator[Caveat]:
    """Those that fall short in a run that does not."""
    keeping = (one for one in comparisons if one.metric == run.primary_metric and one.question == "keep")
    family = [one for one in keeping if one.judged]
    if max((one.blocks for one in family), default=0) < FEWEST_BLOCKS:
        return
    for one in family:
        if one.blocks < FEWEST_BLOCKS:
            figures: Figures = {
                "blocks": one.blocks,
                "planned": run.blocks,
                "baseline": one.baseline,
                "needed": FEWEST_BLOCKS,
            }
            yield Caveat(kind=CaveatKind.PAIRS_TOO_FEW, subject=one.case, figures=figures)


def _noise(run: RunSummary, comparisons: Sequence[Comparison]) -> Iterator[Caveat]:
    """In the metric that is judged: no other has a bar to clear."""
    for one in comparisons:
        if one.metric != run.primary_metric or one.question != "noise" or one.ratio is None:
            continue
        if _apparent(one, run.equivalence_margin):
            figures: Figures = {"metric": one.metric, "ratio": one.ratio, "low": one.low, "high": one.high}
            yield Caveat(kind=CaveatKind.NOISE_FLOOR, subject=one.case, figures=figures)


def _apparent(control: Comparison, margin: float) -> bool:
    excludes_one = (control.low or 0) > 1 or (control.high is not None and control.high < 1)
    return excludes_one or abs((control.ratio or 1) - 1) > margin


def _failures(arms: Sequence[Arm]) -> Iterator[Caveat]:
    for arm in arms:
        if arm.failures:
            figures: Figures = {
                "failures": arm.failures,
                "requests": arm.requests,
                "share": arm.failures / arm.requests,
            }
            yield Caveat(kind=CaveatKind.REQUESTS_FAILED, subject=arm.case, figures=figures)


def _without_database(arms: Sequence[Arm]) -> Iterator[Caveat]:
    """Cases whose requests opened no connection and used none: they say nothing about connections."""
    idle = [arm for arm in arms if arm.requests > arm.failures and arm.opens_per_request is None]
    if idle:
        yield Caveat(kind=CaveatKind.DATABASE_UNUSED, subject=Several(count=len(idle), of="case"))


def _busy_generator(complete: Sequence[MeasuredTrial]) -> Iterator[Caveat]:
    """By its busiest load process, where the trial says it."""
    shares = [
        (max(one.trial.busy, default=one.trial.cpu_seconds.generator / one.summary.window_seconds), one)
        for one in complete
        if one.summary.window_seconds > 0
    ]
    yield from _worst(CaveatKind.GENERATOR_BUSY, "share", shares, BUSY_GENERATOR)


def _busy_proxy(complete: Sequence[MeasuredTrial]) -> Iterator[Caveat]:
    """What adds latency to the database must not be what is measured."""
    shares = [
        (one.trial.cpu_seconds.proxy / one.summary.window_seconds, one)
        for one in complete
        if one.summary.window_seconds > 0
    ]
    yield from _worst(CaveatKind.PROXY_BUSY, "share", shares, BUSY_PROXY)


def _skewed_starts(complete: Sequence[MeasuredTrial]) -> Iterator[Caveat]:
    """How well the clocks of several hosts were known."""
    worst = max(complete, key=lambda one: one.trial.skew_seconds, default=None)
    if worst and worst.trial.skew_seconds:
        figures: Figures = {"seconds": worst.trial.skew_seconds, "worst": _trial(worst)}
        yield Caveat(kind=CaveatKind.STARTS_SKEWED, subject="load workers", figures=figures)


def _long_waits(arms: Sequence[Arm]) -> Iterator[Caveat]:
    """Where a pool is too small for the load, its size is what was measured."""
    for arm in arms:
        if arm.waiting is None or arm.p50_seconds is None:
            continue
        waited, usual = arm.waiting.seconds_per_request, arm.p50_seconds.value
        if waited > LONG_WAIT * usual:
            figures: Figures = {"waited": waited, "median": usual, "at": arm.waiting.at}
            yield Caveat(kind=CaveatKind.LONG_WAITS, subject=arm.case, figures=figures)


def _left_out(run: RunSummary) -> Iterator[Caveat]:
    """One for each strategy and reason, with all server modes that it concerns."""
    reasons = dict.fromkeys((one.strategy, one.why) for one in run.left_out)
    for strategy, why in reasons:
        servers = dict.fromkeys(one.server for one in run.left_out if (one.strategy, one.why) == (strategy, why))
        yield Caveat(kind=CaveatKind.LEFT_OUT, subject=strategy, figures={"servers": tuple(servers), "why": why})


def _idle_users(complete: Sequence[MeasuredTrial]) -> Iterator[Caveat]:
    """Little's law: users who never pause are always in a request, N = X R."""
    yield from _worst(CaveatKind.USERS_IDLE, "gap", [(_little_gap(one), one) for one in complete], LITTLE_TOLERANCE)


def _little_gap(one: MeasuredTrial) -> float:
    """Only where nothing failed: a failed request may take a user's time without a response time to match.

    Under an open load, users are not always in a request.
    """
    if one.summary.failures or not one.summary.requests or one.trial.case.open_load:
        return 0.0
    users, response = one.trial.case.users, extract_of(one.trial).mean_response_seconds
    return abs(users - closed_forms.under_way(one.summary.throughput, response)) / users


def _withheld_percentiles(complete: Sequence[MeasuredTrial]) -> Iterator[Caveat]:
    for name, quantile in QUANTILES:
        short = [one for one in complete if getattr(one.summary.latency_seconds, name) is None]
        if short:
            worst = min(short, key=_successes)
            yield Caveat(
                kind=CaveatKind.PERCENTILE_WITHHELD,
                subject=Several(count=len(short), of="trial"),
                figures={
                    "percentile": name,
                    "needed": smallest_sample(quantile),
                    "fewest": _successes(worst),
                    "worst": _trial(worst),
                },
            )


def _successes(one: MeasuredTrial) -> int:
    return one.summary.requests - one.summary.failures


def _unseen_expiry(arms: Sequence[Arm]) -> Iterator[Caveat]:
    unseen = [arm.case for arm in arms if arm.trials and arm.expiry_observed is False]
    ages = Counter(case.max_age for case in unseen)
    for max_age, count in ages.items():
        figures: Figures = {"max_age": max_age, "ages": AGES_TO_SEE_EXPIRY}
        yield Caveat(kind=CaveatKind.EXPIRY_UNSEEN, subject=Several(count=count, of="case"), figures=figures)


def _trial(one: MeasuredTrial) -> TrialOf:
    return TrialOf(case=one.trial.case, block=one.trial.block)
