"""What a reader must know before trusting a figure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from loadlab.analysis import closed_forms
from loadlab.analysis.arms import AGES_TO_SEE_EXPIRY
from loadlab.analysis.comparisons import family_size
from loadlab.analysis.lost_trials import contradictions, lost_trials
from loadlab.analysis.trials import as_array
from loadlab.analysis.wording import METRIC_WORDS, age, listing, milliseconds, percent, plural, spread, times
from loadlab.model.findings import NOTE, PROJECT, Caveat
from loadlab.stats.multiplicity import ALPHA, FEWEST_BLOCKS, blocks_needed
from loadlab.stats.quantiles import smallest_sample
from loadlab.stats.signed_rank import smallest_p

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.analysis.arms import Measured
    from loadlab.model.config import Scalar
    from loadlab.model.findings import Arm, Comparison, RunSummary
    from loadlab.model.samples import Trial

BUSY_GENERATOR: Final = 0.9  # of one core; beyond it, the generator is what is measured
BUSY_PROXY: Final = 0.6  # of one core; it has one, and its own queue shows before that is full
LONG_WAIT: Final = 0.1  # of the median response; below it, waiting is not what a request spends its time on
LITTLE_TOLERANCE: Final = 0.05
NOT_EXACT: Final = "Do not quote this trial's connection counts as exact."
QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def caveats(
    run: RunSummary, everything: Sequence[Measured], arms: Sequence[Arm], comparisons: Sequence[Comparison]
) -> tuple[Caveat, ...]:
    """The gravest first: counts that do not reconcile, then trials that do not count, then limits of what does."""
    complete = [one for one in everything if one.complete]
    return (
        *_irreconcilable_counts(complete),
        *_other_traffic(complete),
        *_ended_workers(complete),
        *_missing_trials(run, arms),
        *_trials_that_do_not_count(everything),
        *_reach(run, comparisons),
        *_thin_comparisons(run, comparisons),
        *_noise(run, comparisons),
        *_failures(arms),
        *_without_database(arms),
        *lost_trials(everything, comparisons),
        *contradictions(run, arms, comparisons),
        *_busy_generator(complete),
        *_busy_proxy(complete),
        *_skewed_starts(complete),
        *_long_waits(arms),
        *_idle_users(complete),
        *_withheld_percentiles(complete),
        *_unseen_expiry(arms),
        *_left_out(run),
    )


def remarks(environment: Mapping[str, Mapping[str, Scalar]]) -> Iterator[Caveat]:
    """What has a part in all figures: a machine that was busy, and settings of a project of the user's own."""
    yield from _busy_machine(environment.get("machine", {}))
    for key, note in environment.get(PROJECT, {}).items():
        if key.startswith(NOTE):
            yield Caveat(subject=PROJECT, text=str(note), advice="")


def _busy_machine(machine: Mapping[str, Scalar]) -> Iterator[Caveat]:
    """Others had more to do than there are cores, before the run added its own work."""
    load, cores = machine.get("load_average_before_run", machine.get("load_average_at_start")), machine.get("cores")
    if isinstance(load, int | float) and isinstance(cores, int) and load >= cores:
        yield Caveat(
            subject="machine",
            text=f"It was busy when the run began: load {load:.3g} on {plural(cores, 'core')}.",
            advice="Times vary more than they should, counts do not. Measure again when nothing else runs.",
        )


def _irreconcilable_counts(complete: Sequence[Measured]) -> Iterator[Caveat]:
    for one in complete:
        mismatches = one.trial.connections.mismatches
        if mismatches:
            yield Caveat(
                subject=_trial(one),
                text=f"The counts do not reconcile: {'; '.join(one.text for one in mismatches)}.",
                advice=NOT_EXACT,
            )
        if one.trial.connections.unjudged:
            yield Caveat(
                subject=_trial(one),
                text=f"PostgreSQL's count of sessions is not known: {one.trial.connections.unjudged}.",
                advice=NOT_EXACT,
            )


def _other_traffic(complete: Sequence[Measured]) -> Iterator[Caveat]:
    """What a target served elsewhere has answered beyond what it was sent; users may end with a request under way."""
    shares = {_trial(one): _others_share(one.trial) for one in complete}
    disturbed = [trial for trial, share in shares.items() if share > 0]
    if disturbed:
        worst = max(disturbed, key=shares.__getitem__)
        yield Caveat(
            subject=plural(len(disturbed), "trial"),
            text=f"Others used the target too: up to {percent(shares[worst])} of its requests were theirs ({worst}).",
            advice="Their requests are in its counts and in its speed: measure when it has no other users.",
        )


def _ended_workers(complete: Sequence[Measured]) -> Iterator[Caveat]:
    """Of a target that others serve, only its own counts say that a process of it ended within the window."""
    for one in complete:
        counts = one.trial.connections
        ended = counts.in_window.closed.get("process_exit", 0)
        if not counts.stopped and ended > 0:
            yield Caveat(
                subject=_trial(one),
                text=f"A worker of the target ended during the window, and {plural(ended, 'connection')} with it.",
                advice="That is usual where workers are recycled (max_requests); else it crashed or was restarted.",
            )


def _others_share(trial: Trial) -> float:
    if not trial.served:
        return 0.0
    sent = len(trial.requests.ended) + trial.case.users
    return max(0, trial.served - sent) / trial.served


def _missing_trials(run: RunSummary, arms: Sequence[Arm]) -> Iterator[Caveat]:
    if run.trials_done < run.trials_planned:
        yield Caveat(
            subject="run",
            text=f"Missing: {run.trials_planned - run.trials_done} of {plural(run.trials_planned, 'trial')}.",
            advice="Resume the run to measure them.",
        )
    for arm in arms:
        if not arm.trials:
            yield Caveat(
                subject=arm.case.id,
                text="No complete trial: nothing is known of this case.",
                advice=(
                    "Resume the run, or look at why its trials did not complete."
                    if not run.trials_invalid
                    else "Remove the cause that is named below. Then resume the run; where the target did not keep up, "
                    "run the plan again: to repeat such a trial until it succeeds would flatter the case."
                ),
            )


def _trials_that_do_not_count(everything: Sequence[Measured]) -> Iterator[Caveat]:
    for one in everything:
        if not one.complete:
            yield Caveat(
                subject=_trial(one),
                text=f"This trial is {one.trial.state}: {one.trial.reason or 'no reason given'}.",
                advice=(
                    "It is part of no estimate, and counts against its case in comparisons."
                    if one.summary.outpaced or one.summary.silent
                    else "It is kept, but part of no estimate and of no comparison."
                ),
            )


def _reach(run: RunSummary, comparisons: Sequence[Comparison]) -> Iterator[Caveat]:
    """Whether the best possible p can be small enough for a verdict of better or worse."""
    family = family_size(comparisons, run.primary_metric)
    blocks = max((one.blocks for one in comparisons if one.p_holm is not None and one.question == "keep"), default=0)
    if not blocks or blocks >= blocks_needed(family):
        return
    needed = blocks_needed(family)
    corrected = min(1.0, smallest_p(blocks) * family)
    yield Caveat(
        subject="run",
        text=(
            f"With {plural(blocks, 'complete block')} and {plural(family, 'comparison')}, the smallest "
            f"possible p is {corrected:.2g} after Holm's correction: none can fall under {ALPHA}."
        ),
        advice="Resume the run."
        if run.blocks >= needed
        else f"Set blocks to {needed} or more, or compare fewer cases.",
    )


def _thin_comparisons(run: RunSummary, comparisons: Sequence[Comparison]) -> Iterator[Caveat]:
    """Those that fall short in a run that does not."""
    family = [one for one in comparisons if one.metric == run.primary_metric and one.question == "keep"]
    if max((one.blocks for one in family), default=0) < FEWEST_BLOCKS:
        return
    for one in family:
        if one.blocks < FEWEST_BLOCKS:
            yield Caveat(
                subject=one.case,
                text=(
                    f"Only {plural(one.blocks, 'block')} of {run.blocks} can be compared with "
                    f"{one.baseline}; a verdict takes {FEWEST_BLOCKS}."
                ),
                advice="Resume the run, or see why the others are not complete or had no success.",
            )


def _noise(run: RunSummary, comparisons: Sequence[Comparison]) -> Iterator[Caveat]:
    """In the metric that is judged: no other has a bar to clear."""
    for one in comparisons:
        if one.metric != run.primary_metric or one.question != "noise" or one.ratio is None:
            continue
        if _apparent(one, run.equivalence_margin):
            yield Caveat(
                subject=one.case,
                text=(
                    f"Measured against itself, the {METRIC_WORDS[one.metric]} came out at {times(one.ratio)} "
                    f"({spread(one.low, one.high)}): the noise floor of this run."
                ),
                advice="No smaller difference is called better or worse; a quieter machine would show more.",
            )


def _apparent(control: Comparison, margin: float) -> bool:
    excludes_one = (control.low or 0) > 1 or (control.high is not None and control.high < 1)
    return excludes_one or abs((control.ratio or 1) - 1) > margin


def _failures(arms: Sequence[Arm]) -> Iterator[Caveat]:
    for arm in arms:
        if not arm.failures:
            continue
        share = percent(arm.failures / arm.requests)
        yield Caveat(
            subject=arm.case.id,
            text=f"{arm.failures:,} of {plural(arm.requests, 'request')} failed ({share}).",
            advice="Throughput counts successes, latency those and unanswered requests. See the table of failures.",
        )


def _without_database(arms: Sequence[Arm]) -> Iterator[Caveat]:
    """Cases whose requests opened no connection and used none: they say nothing about connections."""
    idle = [arm for arm in arms if arm.requests > arm.failures and arm.opens_per_request is None]
    if idle:
        yield Caveat(
            subject=plural(len(idle), "case"),
            text="No request used the database, so nothing can be said about connections.",
            advice="In the Locust file, ask for pages that query the database.",
        )


def _busy_generator(complete: Sequence[Measured]) -> Iterator[Caveat]:
    shares = {
        # Of the busiest load process, where the trial says it.
        _trial(one): max(one.trial.busy, default=one.trial.cpu_seconds.generator / one.summary.window_seconds)
        for one in complete
        if one.summary.window_seconds > 0
    }
    yield from _overworked(
        shares,
        BUSY_GENERATOR,
        who="The load generator",
        advice="It may limit what was measured: use fewer users, or more load workers on more cores.",
    )


def _busy_proxy(complete: Sequence[Measured]) -> Iterator[Caveat]:
    """What puts the database at a distance must not be what is measured."""
    shares = {
        _trial(one): one.trial.cpu_seconds.proxy / one.summary.window_seconds
        for one in complete
        if one.summary.window_seconds > 0
    }
    yield from _overworked(
        shares,
        BUSY_PROXY,
        who="The proxy that adds the round trip",
        advice="Near its ceiling it adds more than it should: use fewer users, or compare less distant ones.",
    )


def _skewed_starts(complete: Sequence[Measured]) -> Iterator[Caveat]:
    """How well the clocks of several hosts were known."""
    skews = {_trial(one): one.trial.skew_seconds for one in complete}
    worst = max(skews, key=skews.__getitem__, default="")
    if worst and skews[worst]:
        yield Caveat(
            subject="load workers",
            text=f"Workers on other hosts started at one instant, to within {milliseconds(skews[worst])} ({worst}).",
            advice="",
        )


def _overworked(shares: Mapping[str, float], limit: float, *, who: str, advice: str) -> Iterator[Caveat]:
    """One caveat for all trials in which a process of the lab's took more than its share of a core."""
    busy = [trial for trial, share in shares.items() if share > limit]
    if busy:
        worst = max(busy, key=shares.__getitem__)
        yield Caveat(
            subject=plural(len(busy), "trial"),
            text=f"{who} used up to {percent(shares[worst])} of a core ({worst}).",
            advice=advice,
        )


def _long_waits(arms: Sequence[Arm]) -> Iterator[Caveat]:
    """Where a pool is too small for the load, its size is what was measured."""
    for arm in arms:
        if arm.waiting is None or arm.p50_seconds is None:
            continue
        waited, usual = arm.waiting.seconds_per_request, arm.p50_seconds.value
        if waited > LONG_WAIT * usual:
            yield Caveat(
                subject=arm.case.id,
                text=(
                    f"A request waited {milliseconds(waited)} for a connection on average, of a median response of "
                    f"{milliseconds(usual)}."
                ),
                advice=f"The size of the {arm.waiting.at} bounds this case; sweep it to see what a larger one gives.",
            )


def _left_out(run: RunSummary) -> Iterator[Caveat]:
    """One for each strategy and reason, with all server modes that it concerns."""
    reasons = dict.fromkeys((one.strategy, one.why) for one in run.left_out)
    for strategy, why in reasons:
        servers = dict.fromkeys(one.server for one in run.left_out if (one.strategy, one.why) == (strategy, why))
        yield Caveat(subject=strategy, text=f"Left out of {listing(list(servers))}: {_sentence(why)}", advice="")


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _idle_users(complete: Sequence[Measured]) -> Iterator[Caveat]:
    """Little's law: users who never pause are always in a request, N = X R."""
    gaps = {_trial(one): _little_gap(one) for one in complete}
    off = [trial for trial, gap in gaps.items() if gap > LITTLE_TOLERANCE]
    if off:
        worst = max(off, key=gaps.__getitem__)
        yield Caveat(
            subject=plural(len(off), "trial"),
            text=(
                "Throughput × mean response time differs from the number of users by up to "
                f"{percent(gaps[worst])} ({worst})."
            ),
            advice=(
                "Part of the users' time is not in answered requests: they paused (mixed, burst, steps, think_time), "
                "got no answer, or waited for the generator. A gap of more than 25 % without pauses makes a trial "
                "invalid."
            ),
        )


def _little_gap(one: Measured) -> float:
    """Only where nothing failed: a failed request may take a user's time without a response time to match.

    Under an open load, users are not always in a request.
    """
    if one.summary.failures or not one.summary.requests or one.trial.case.open_load:
        return 0.0
    response = as_array(one.trial.requests.response)[one.trial.window.of(one.trial.requests)]
    users = one.trial.case.users
    return abs(users - closed_forms.under_way(one.summary.throughput, float(response.mean()))) / users


def _withheld_percentiles(complete: Sequence[Measured]) -> Iterator[Caveat]:
    succeeded = {_trial(one): one.summary.requests - one.summary.failures for one in complete}
    for name, quantile in QUANTILES:
        short = [_trial(one) for one in complete if getattr(one.summary.latency_seconds, name) is None]
        if short:
            fewest = min(short, key=succeeded.__getitem__)
            yield Caveat(
                subject=plural(len(short), "trial"),
                text=(
                    f"{name} withheld: it takes {smallest_sample(quantile)} successful requests in the window, "
                    f"there were as few as {succeeded[fewest]:,} ({fewest})."
                ),
                advice="A longer window or more users give enough.",
            )


def _unseen_expiry(arms: Sequence[Arm]) -> Iterator[Caveat]:
    unseen = [arm.case for arm in arms if arm.trials and arm.expiry_observed is False]
    ages = Counter(case.max_age for case in unseen)
    for max_age, count in ages.items():
        yield Caveat(
            subject=f"{plural(count, 'case')} with max_age={max_age:g}",
            text=f"Expiry not observed: the window was shorter than {AGES_TO_SEE_EXPIRY} × {age(max_age)}.",
            advice="To see connections expire, use a longer window or a shorter age.",
        )


def _trial(one: Measured) -> str:
    return f"{one.trial.case.id}, block {one.trial.block}"
