"""The reasons for a verdict, each in a sentence with its figures."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from loadlab.model.reasons import (
    BesideUnlimited,
    ClosedForm,
    CpuPerRequest,
    Expiry,
    Failed,
    HealthChecks,
    Held,
    InProduction,
    NoneFailed,
    NoRequests,
    OtherMetrics,
    Preferred,
    Reuse,
    SharedObjection,
    SilentTrials,
    Speed,
    Waits,
)
from loadlab.report import numbers
from loadlab.report.prose import objections
from loadlab.report.prose.needs import arithmetic

if TYPE_CHECKING:
    from loadlab.model.comparison import Comparison
    from loadlab.model.findings import Waiting
    from loadlab.model.reasons import Reason
    from loadlab.report.labels import Labels

OUTCOMES = {
    "leaks": "but unlimited leaks",
    "silent": "but some trials of unlimited served nothing",
    "inconclusive": "no difference proven",
}


@singledispatch
def sentence(reason: Reason, names: Labels) -> str:
    """One sentence for each kind of reason; `names` are those of its run."""
    raise TypeError(f"no sentence for {reason.kind} beside {names.zero}")


def gain(comparison: Comparison | None) -> str:
    """E.g. "4.6× the throughput (4.3–5.0)"."""
    return "not compared" if comparison is None or comparison.ratio is None else _in_metric(comparison)


def _in_metric(comparison: Comparison) -> str:
    text = f"{numbers.ratio(comparison.ratio)} the {numbers.metric(comparison.metric)}"
    return numbers.with_interval(text, comparison.low, comparison.high, without=numbers.TOO_FEW)


def beside(found: BesideUnlimited, finite: str) -> str:
    """Unlimited against a finite age, which is called `finite`."""
    seen = found.comparison
    details = numbers.interval(seen.low, seen.high) or numbers.TOO_FEW
    ratio = f"{numbers.ratio(seen.ratio)} the {numbers.metric(seen.metric)} of {finite}"
    return f"{ratio} ({details}; {numbers.plural(seen.blocks, 'block')}), {outcome(found)}"


def outcome(found: BesideUnlimited) -> str:
    """What unlimited is against a finite age, in a few words."""
    return OUTCOMES.get(found.outcome, found.outcome)


@sentence.register(Speed)
def _speed(reason: Speed, names: Labels) -> str:
    seen = reason.comparison
    if seen is None or seen.ratio is None:
        words = numbers.metric(names.metric)
        why = f"no block has complete trials of it and of {names.zero}"
        return f"{names.arm(reason.case)}: {words} not compared, because {why}."
    details = numbers.interval(seen.low, seen.high) or numbers.TOO_FEW
    ratio = f"{numbers.ratio(seen.ratio)} the {numbers.metric(seen.metric)} of {names.zero}"
    blocks = numbers.plural(seen.blocks, "block")
    dead = f"; it served nothing in {reason.silent} of {numbers.plural(reason.tried, 'trial')}" if reason.silent else ""
    return f"{names.arm(reason.case)}: {ratio} ({details}; {blocks}), {seen.verdict}{_strength(seen)}{dead}."


def _strength(comparison: Comparison) -> str:
    """How sure a difference is, or how large one could have stayed unseen."""
    holm = f"{numbers.p_value(comparison.p_holm)} after Holm's correction"
    if comparison.verdict in ("better", "worse"):
        return f" ({holm})"
    if comparison.mde_ratio is None:
        return ""
    detects = (
        f"{numbers.plural(comparison.blocks, 'block')} detect {numbers.ratio(comparison.mde_ratio)} with 80 % power"
    )
    apparent = (comparison.low or 0.0) > 1 or (comparison.high is not None and comparison.high < 1)
    if apparent and comparison.verdict == "inconclusive" and comparison.p_holm is not None:
        return f" ({holm}; {detects})"
    return f" ({detects})"


@sentence.register(Held)
def _held(reason: Held, names: Labels) -> str:
    """Against what can be used, not against the server's limit: a leak is one long before that is reached."""
    refused = f"; {objections.refused(reason.refused)}" if reason.refused else ""
    usable = f"{numbers.count(reason.usable)} usable: {leak_words(reason)}{refused}"
    name = names.arm(reason.case)
    if reason.clients_peak is None:
        held = f"at most {reason.peak} connections open at once, {reason.left_open} open at rest"
        return f"{name}: {held}, {usable}."
    clients = f"at most {reason.clients_peak} connections to the pooler at once"
    left = f"{reason.clients_left} open at rest"
    behind = f"the pooler held {reason.peak} in PostgreSQL, {reason.left_open} at rest"
    return f"{name}: {clients}, {left}, {usable}; {behind}."


def leak_words(reason: Held) -> str:
    """What follows from an arm's connections, so that it never contradicts how many were open."""
    if reason.leak == "yes":
        return "a leak"
    if reason.leak == "cannot tell":
        return "too few were opened to tell whether they leak"
    left = reason.left_open if reason.clients_left is None else reason.clients_left
    if reason.usable is not None and left > reason.usable:
        return f"no leak (the {left - reason.usable} above that can belong to the project's other threads)"
    return "no leak"


@sentence.register(Failed)
def _failed(reason: Failed, names: Labels) -> str:
    share = numbers.percentage(reason.failures / reason.requests)
    of_all = f"{numbers.count(reason.failures)} of {numbers.plural(reason.requests, 'request')}"
    return f"{names.arm(reason.case)}: {of_all} failed ({share})."


@sentence.register(NoneFailed)
def _none_failed(reason: NoneFailed, names: Labels) -> str:
    bound = numbers.percentage(reason.upper_bound)
    cases = ", ".join(map(names.arm, reason.cases))
    requests = numbers.plural(reason.requests, "request")
    return f"No failures in {requests} with {cases} (95 % upper bound of the share that fails: {bound} each)."


@sentence.register(CpuPerRequest)
def _cpu(reason: CpuPerRequest, names: Labels) -> str:
    """At both ends, beside the baseline's."""
    ours, theirs = numbers.milliseconds(reason.application), numbers.milliseconds(reason.baseline_application)
    database = "database not measured"
    if reason.database is not None:
        against = numbers.milliseconds(reason.baseline_database)
        database = f"database {numbers.milliseconds(reason.database)} against {against}"
    between = f", pooler {numbers.milliseconds(reason.pooler)}" if reason.pooler else ""
    of = f"CPU per request with {names.arm(reason.case)} against {names.zero}"
    return f"{of}: application {ours} against {theirs}, {database}{between}."


@sentence.register(Reuse)
def _reuse(reason: Reuse, names: Labels) -> str:
    took = reason.connect_seconds
    opening = "" if took is None else f"; opening one took {numbers.milliseconds(took)}"
    return f"{names.arm(reason.case)}: {numbers.percentage(reason.share)} of requests reused a connection{opening}."


@sentence.register(Expiry)
def _expiry(reason: Expiry, names: Labels) -> str:
    window = f"long enough to see connections expire (at least {reason.ages} ages)"
    if not reason.observed:
        window = f"too short to see connections expire (less than {reason.ages} ages)"
    return f"{names.arm(reason.case)}: the window was {window}."


@sentence.register(ClosedForm)
def _closed_form(reason: ClosedForm, names: Labels) -> str:  # noqa: ARG001  no arm is named
    wanted = numbers.percentage(reason.wanted)
    return (
        f"Calculated: at the measured {numbers.figure(reason.rate)} requests/s per connection, "
        f"{numbers.age(reason.case.max_age)} gives {numbers.percentage(reason.reuse)} reuse. {wanted} reuse needs an "
        f"age of {numbers.figure(reason.enough_seconds)} s; at 1 request/s per connection it needs "
        f"{numbers.figure(reason.enough_at_one)} s."
    )


@sentence.register(HealthChecks)
def _health_checks(reason: HealthChecks, names: Labels) -> str:
    if reason.case is None:
        return "Health checks send one SELECT 1 per request that uses the database; this run did not measure the cost."
    if reason.ratio is None:
        return f"Health checks were on for {names.arm(reason.case)}; this run did not measure it without them."
    details = numbers.interval(reason.low, reason.high) or numbers.TOO_FEW
    ratio = f"{numbers.ratio(reason.ratio)} the {numbers.metric(names.metric)}"
    return f"With health checks: {ratio} of the same age without them ({details})."


@sentence.register(Preferred)
def _preferred(reason: Preferred, names: Labels) -> str:
    """Why this one, of all that are better."""
    of = f"Of {numbers.plural(reason.better, 'strategy')} proven better"
    if reason.best == reason.case:
        gain = "this has the largest gain, and every simpler one is proven worse"
        return f"{of}, {gain}. The largest of {reason.better} estimates tends to be too high."
    ratio = numbers.ratio(reason.best_ratio) if reason.best_ratio else "not compared"
    return f"{of}, this is the simplest that is not proven worse than the best, {names.arm(reason.best)} ({ratio})."


@sentence.register(Waits)
def _waits(reason: Waits, names: Labels) -> str:
    return f"{names.arm(reason.case)}: {_waited(reason.waiting)}."


def _waited(waiting: Waiting) -> str:
    """How long requests waited for a connection."""
    each = f"{numbers.milliseconds(waiting.seconds_per_request)} per request"
    if waiting.at == "pool":
        mean = numbers.milliseconds(waiting.mean_seconds or 0)
        asked = f"the pool was asked for {numbers.plural(waiting.waits or 0, 'connection')}"
        return f"{asked}, each took {mean} on average, {each}"
    parts = [f"clients waited {each} at the pooler"]
    if waiting.longest_seconds is not None:
        parts.append(f"the longest seen {numbers.measured_time(waiting.longest_seconds)}")
    if waiting.waiting_at_once is not None:
        parts.append(f"up to {waiting.waiting_at_once} at once")
    return ", ".join(parts)


@sentence.register(OtherMetrics)
def _other_metrics(reason: OtherMetrics, names: Labels) -> str:  # noqa: ARG001  no arm is named
    return f"Other metrics, not judged: {numbers.listed(list(map(_in_metric, reason.comparisons)))}."


@sentence.register(NoRequests)
def _no_requests(reason: NoRequests, names: Labels) -> str:
    return f"{names.arm(reason.case)}: no request ended in a window."


@sentence.register(SilentTrials)
def _silent_trials(reason: SilentTrials, names: Labels) -> str:
    trials = numbers.plural(reason.trials, "trial")
    return f"{names.arm(reason.case)}: no request ended in the window of {trials}."


@sentence.register(BesideUnlimited)
def _beside_unlimited(reason: BesideUnlimited, names: Labels) -> str:
    return f"Unlimited: {beside(reason, names.arm(reason.case))}."


@sentence.register(InProduction)
def _in_production(reason: InProduction, names: Labels) -> str:  # noqa: ARG001  the arithmetic says all
    return f"In production: {arithmetic(reason.need)}."


@sentence.register(SharedObjection)
def _against(reason: SharedObjection, names: Labels) -> str:
    cases = numbers.listed(list(map(names.arm, reason.cases)))
    return f"Ruled out: {cases} ({objections.clause(reason.objection)})."
