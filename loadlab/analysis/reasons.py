"""The reasons for a verdict, each a short sentence with its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.analysis import closed_forms
from loadlab.analysis.arms import AGES_TO_SEE_EXPIRY
from loadlab.analysis.wording import (
    METRIC_WORDS,
    age,
    milliseconds,
    number,
    percent,
    plural,
    probability,
    spread,
    times,
)
from loadlab.stats.power import POWER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.analysis.decisions import Decision
    from loadlab.analysis.evidence import Evidence
    from loadlab.model.findings import Arm, Comparison
    from loadlab.stats.paired import Effect

REUSE_WANTED: Final = 0.95


def reasons(evidence: Evidence, decision: Decision) -> Iterator[str]:
    """What decides, then each kept age in turn, then what the one that matters most costs and saves."""
    yield from dict.fromkeys((*_deciding(evidence, decision), *_in_turn(evidence, decision)))


def _deciding(evidence: Evidence, decision: Decision) -> Iterator[str]:
    """The chosen age's gain, or else what rules the others out."""
    if decision.keeps and decision.chosen:
        yield speed(evidence, decision.chosen)
        yield connections(evidence, decision.chosen)
        return
    for arm in evidence.kept:
        if arm.leaks or arm.refused:
            yield connections(evidence, arm)
    yield from failures(evidence, [arm for arm in evidence.kept if arm.failures and evidence.fails_more(arm)])


def _in_turn(evidence: Evidence, decision: Decision) -> Iterator[str]:
    for arm in evidence.kept:
        yield speed(evidence, arm)
        if arm.trials:
            yield connections(evidence, arm)
    if evidence.baseline and evidence.baseline.trials:
        yield connections(evidence, evidence.baseline)
    yield from failures(evidence, [arm for arm in (evidence.baseline, *evidence.kept) if arm and arm.trials])
    focus = _focus(evidence, decision)
    if focus:
        yield from about(evidence, focus)


def speed(evidence: Evidence, arm: Arm) -> str:
    comparison = evidence.against_baseline(arm)
    words = METRIC_WORDS[evidence.metric]
    if comparison is None or comparison.ratio is None:
        return f"{evidence.name(arm)}: {words} not compared, no block has both this and {evidence.zero} complete."
    details = f"{spread(comparison.low, comparison.high)}; {plural(comparison.blocks, 'block')}"
    return (
        f"{evidence.name(arm)}: {times(comparison.ratio)} the {words} of {evidence.zero} ({details}), "
        f"{comparison.verdict}{_strength(comparison)}{_dead(evidence, arm)}."
    )


def connections(evidence: Evidence, arm: Arm) -> str:
    """Against what can be used, not against the server's limit: a leak is one long before that is reached."""
    judged = leak_words(arm)
    refused = f"; {plural(arm.refused, 'attempt')} to connect refused" if arm.refused else ""
    usable = f"{arm.usable} usable: {judged}{refused}"
    name = evidence.name(arm)
    if arm.clients_peak is None:
        held = f"at most {arm.peak} connections open at once and {arm.left_open} left open at rest"
        return f"{name}: {held}, {usable}."
    clients = f"at most {arm.clients_peak} connections to the pooler at once and {arm.clients_left} left open at rest"
    return f"{name}: {clients}, {usable}; the pooler held {arm.peak} in PostgreSQL, and {arm.left_open} at rest."


def leaking(arm: Arm) -> str:
    """What shows that an arm leaks: more open than have a use, or else what the garbage collector had to close."""
    held = arm.peak if arm.clients_peak is None else arm.clients_peak
    if arm.usable is None or held > arm.usable or not arm.collected:
        return f"up to {held} open, {arm.usable} usable"
    return f"{plural(arm.collected, 'connection')} closed by the garbage collector alone"


def leak_words(arm: Arm) -> str:
    """What follows from an arm's connections, so that it never contradicts how many were open."""
    if arm.leaks:
        return "a leak"
    if arm.leak == "cannot tell":
        return "too few were opened to tell whether they leak"
    left = arm.left_open if arm.clients_left is None else arm.clients_left
    if arm.usable is not None and left > arm.usable:
        return f"no leak ({left - arm.usable} more, few enough for threads of the project's own)"
    return "no leak"


def failures(evidence: Evidence, arms: Sequence[Arm]) -> Iterator[str]:
    """A sentence for each arm with failures, and one for all that had none."""
    for arm in arms:
        if arm.failures:
            share = percent(arm.failures / arm.requests)
            yield f"{evidence.name(arm)}: {arm.failures:,} of {plural(arm.requests, 'request')} failed ({share})."
        elif not arm.requests:
            yield f"{evidence.name(arm)}: no request ended in a window."
        elif dead := len(evidence.silent(arm)):
            yield f"{evidence.name(arm)}: no request ended in the window of {plural(dead, 'trial')}."
    flawless = [arm for arm in arms if arm.requests and not arm.failures and not evidence.silent(arm)]
    if flawless:
        fewest = min(arm.requests for arm in flawless)
        bound = percent(min(1.0, 3 / fewest))  # the rule of three: upper 95 % bound of a share never seen
        total = plural(sum(arm.requests for arm in flawless), "request")
        ages = ", ".join(map(evidence.name, flawless))
        yield f"None of {total} failed at {ages} (95 % upper bound: {bound} each)."


def unlimited_against(evidence: Evidence, finite: Arm) -> str | None:
    """The thread's second question: would unlimited be better?"""
    unlimited = unlimited_like(evidence, finite)
    seen = evidence.unlimited_beside(unlimited, finite) if unlimited else None
    if seen is None or seen.ratio is None:
        return None
    judged = unlimited_judged(evidence, finite)
    details = f"{spread(seen.low, seen.high)}; {plural(seen.blocks, 'block')}"
    words = METRIC_WORDS[evidence.metric]
    return f"{times(seen.ratio)} the {words} of {evidence.name(finite)} ({details}), {judged}"


def unlimited_judged(evidence: Evidence, finite: Arm) -> str | None:
    """What unlimited is against a finite age, in a word; None where it was not measured beside it."""
    unlimited = unlimited_like(evidence, finite)
    seen = evidence.unlimited_beside(unlimited, finite) if unlimited else None
    if unlimited is None or seen is None or seen.ratio is None:
        return None
    if unlimited.leaks:
        return "but it leaks"
    if evidence.silent(unlimited):
        return "but some of its trials served nothing"
    return seen.verdict.replace("inconclusive", "no difference proven")


def unlimited_like(evidence: Evidence, finite: Arm) -> Arm | None:
    alike = (
        arm for arm in evidence.kept if arm.case.max_age is None and arm.case.checks_health == finite.case.checks_health
    )
    return next(alike, None)


def rate_per_connection(arm: Arm) -> float | None:
    """Requests per second that one open connection serves at this load."""
    holders = arm.left_open or arm.peak
    if arm.throughput is None or not arm.throughput.value or not holders:
        return None
    return arm.throughput.value / holders


def _strength(comparison: Comparison) -> str:
    """How sure a difference is, or how large one could have stayed unseen."""
    if comparison.verdict in ("better", "worse"):
        return f" ({probability(comparison.p_holm)} after Holm's correction)"
    if comparison.mde_ratio is None:
        return ""
    blocks = plural(comparison.blocks, "block")
    detects = f"{blocks} detect ≥ {times(comparison.mde_ratio)} with {percent(POWER)} power"
    apparent = (comparison.low or 0.0) > 1 or (comparison.high is not None and comparison.high < 1)
    if apparent and comparison.verdict == "inconclusive" and comparison.p_holm is not None:
        return f" ({probability(comparison.p_holm)} after Holm's correction; {detects})"
    return f" ({detects})"


def _dead(evidence: Evidence, arm: Arm) -> str:
    dead = len(evidence.silent(arm))
    return f"; it served nothing in {dead} of {plural(evidence.tried(arm), 'trial')}" if dead else ""


def _focus(evidence: Evidence, decision: Decision) -> Arm | None:
    """The kept arm to go into: the chosen one, else the first that was measured."""
    if decision.keeps:
        return decision.chosen
    return next((arm for arm in evidence.kept if arm.trials), None)


def about(evidence: Evidence, arm: Arm) -> Iterator[str]:
    """What an age costs and saves besides its speed."""
    sentences = (
        cpu(evidence, arm),
        _reused(evidence, arm),
        _expiry(evidence, arm),
        _closed_form(arm),
        _unlimited(evidence, arm),
        health_checks(evidence, arm),
    )
    yield from (sentence for sentence in sentences if sentence)


def cpu(evidence: Evidence, arm: Arm) -> str | None:
    """At both ends, beside the baseline's."""
    baseline = evidence.baseline
    ours = arm.cpu_seconds_per_request
    theirs = baseline.cpu_seconds_per_request if baseline else None
    if ours is None or theirs is None or ours.app is None or theirs.app is None:
        return None
    application = f"application {milliseconds(ours.app)} against {milliseconds(theirs.app)}"
    database = "database not measured"
    if ours.database is not None and theirs.database is not None:
        database = f"database {milliseconds(ours.database)} against {milliseconds(theirs.database)}"
    between = f", pooler {milliseconds(ours.pooler)}" if ours.pooler else ""
    return f"CPU per request with {evidence.name(arm)} against {evidence.zero}: {application}, {database}{between}."


def _reused(evidence: Evidence, arm: Arm) -> str | None:
    if arm.reuse is None:
        return None
    opening = "" if arm.connect_seconds is None else f"; opening one took {milliseconds(arm.connect_seconds)}"
    return f"{evidence.name(arm)}: {percent(arm.reuse)} of requests reused a connection{opening}."


def _expiry(evidence: Evidence, arm: Arm) -> str | None:
    if arm.expiry_observed is None:
        return None
    if arm.expiry_observed:
        return f"{evidence.name(arm)}: expiry observed, the window held {AGES_TO_SEE_EXPIRY} ages or more."
    return f"{evidence.name(arm)}: expiry not observed, the window was shorter than {AGES_TO_SEE_EXPIRY} ages."


def _closed_form(arm: Arm) -> str | None:
    """Only where a connection belongs to a holder that comes back: what leaks is never reused at any age."""
    rate = rate_per_connection(arm)
    if rate is None or not arm.case.max_age or arm.leaks:
        return None
    predicted = percent(closed_forms.reuse(rate, arm.case.max_age))
    enough = closed_forms.smallest_age(REUSE_WANTED, rate)
    slow = closed_forms.smallest_age(REUSE_WANTED, 1.0)
    return (
        f"Closed form: at {number(rate)} requests/s per connection, as measured, {age(arm.case.max_age)} "
        f"gives {predicted} reuse and {percent(REUSE_WANTED)} need an age of {age(enough)} or more; "
        f"at 1 request/s per connection they need {age(slow)}."
    )


def _unlimited(evidence: Evidence, arm: Arm) -> str | None:
    text = unlimited_against(evidence, arm) if arm.case.max_age is not None else None
    return f"Unlimited: {text}." if text else None


def health_checks(evidence: Evidence, arm: Arm) -> str:
    """What checking a connection before each use costs, if it was measured."""
    checked, unchecked = (_same_age(evidence, arm, checked=on) for on in (True, False))
    if checked is None or not checked.trials:
        return "Health checks: cost not measured in this run; one SELECT 1 per request that uses the database."
    effect = evidence.between(checked, unchecked) if unchecked else None
    if effect is None or effect.ratio is None:
        return f"Health checks: on in the figures for {evidence.name(checked)}; not measured without."
    words = METRIC_WORDS[evidence.metric]
    return f"Health checks: {times(effect.ratio)} the {words} of the same age without ({_interval(effect)})."


def _same_age(evidence: Evidence, arm: Arm, *, checked: bool) -> Arm | None:
    same = (one for one in evidence.kept if one.case.max_age == arm.case.max_age)
    return next((one for one in same if one.case.checks_health == checked), None)


def _interval(effect: Effect) -> str:
    return spread(*(effect.interval or (None, None)))
