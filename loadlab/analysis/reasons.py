"""The reasons for a verdict, each with its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.analysis import closed_forms
from loadlab.analysis.arms import AGES_TO_SEE_EXPIRY
from loadlab.model.reasons import (
    BesideUnlimited,
    ClosedForm,
    CpuPerRequest,
    Expiry,
    Failed,
    HealthChecks,
    Held,
    NoneFailed,
    NoRequests,
    Reuse,
    SilentTrials,
    Speed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.analysis.decisions import Decision
    from loadlab.analysis.evidence import Evidence
    from loadlab.model.findings import Arm
    from loadlab.model.reasons import Outcome, Reason

REUSE_WANTED: Final = 0.95


def reasons(evidence: Evidence, decision: Decision) -> Iterator[Reason]:
    """What decides, then each kept age in turn, then what the one that matters most costs and saves."""
    yield from dict.fromkeys((*_deciding(evidence, decision), *_in_turn(evidence, decision)))


def _deciding(evidence: Evidence, decision: Decision) -> Iterator[Reason]:
    """The chosen age's gain, or else what rules the others out."""
    if decision.keeps and decision.chosen:
        yield speed(evidence, decision.chosen)
        yield held(decision.chosen)
        return
    yield from (held(arm) for arm in evidence.kept if arm.leaks or arm.refused)
    yield from failures(evidence, [arm for arm in evidence.kept if arm.failures and evidence.fails_more(arm)])


def _in_turn(evidence: Evidence, decision: Decision) -> Iterator[Reason]:
    for arm in evidence.kept:
        yield speed(evidence, arm)
        if arm.trials:
            yield held(arm)
    if evidence.baseline and evidence.baseline.trials:
        yield held(evidence.baseline)
    yield from failures(evidence, [arm for arm in (evidence.baseline, *evidence.kept) if arm and arm.trials])
    focus = _focus(evidence, decision)
    if focus:
        yield from about(evidence, focus)


def speed(evidence: Evidence, arm: Arm) -> Speed:
    return Speed(
        case=arm.case,
        comparison=evidence.against_baseline(arm),
        silent=len(evidence.silent(arm)),
        tried=evidence.tried(arm),
    )


def held(arm: Arm) -> Held:
    return Held(
        case=arm.case,
        peak=arm.peak,
        left_open=arm.left_open,
        usable=arm.usable,
        leak=arm.leak,
        refused=arm.refused,
        clients_peak=arm.clients_peak,
        clients_left=arm.clients_left,
    )


def failures(evidence: Evidence, arms: Sequence[Arm]) -> Iterator[Reason]:
    """One for each arm with failures, and one for all that had none."""
    for arm in arms:
        if arm.failures:
            yield Failed(case=arm.case, failures=arm.failures, requests=arm.requests)
        elif not arm.requests:
            yield NoRequests(case=arm.case)
        elif dead := len(evidence.silent(arm)):
            yield SilentTrials(case=arm.case, trials=dead)
    flawless = [arm for arm in arms if arm.requests and not arm.failures and not evidence.silent(arm)]
    if flawless:
        fewest = min(arm.requests for arm in flawless)
        yield NoneFailed(
            cases=tuple(arm.case for arm in flawless),
            requests=sum(arm.requests for arm in flawless),
            upper_bound=min(1.0, 3 / fewest),  # the rule of three: upper 95 % bound of a share never seen
        )


def beside_unlimited(evidence: Evidence, finite: Arm) -> BesideUnlimited | None:
    """Whether unlimited would be better; None where it was not measured beside this age."""
    unlimited = _unlimited_like(evidence, finite)
    seen = evidence.unlimited_beside(unlimited, finite) if unlimited else None
    if unlimited is None or seen is None or seen.ratio is None:
        return None
    outcome: Outcome = "leaks" if unlimited.leaks else "silent" if evidence.silent(unlimited) else seen.verdict
    return BesideUnlimited(case=finite.case, comparison=seen, outcome=outcome)


def _unlimited_like(evidence: Evidence, finite: Arm) -> Arm | None:
    unlimited = (arm for arm in evidence.kept if arm.case.max_age is None)
    return next((arm for arm in unlimited if arm.case.checks_health == finite.case.checks_health), None)


def rate_per_connection(arm: Arm) -> float | None:
    """Requests per second that one open connection serves at this load."""
    holders = arm.left_open or arm.peak
    if arm.throughput is None or not arm.throughput.value or not holders:
        return None
    return arm.throughput.value / holders


def _focus(evidence: Evidence, decision: Decision) -> Arm | None:
    """The kept arm to go into: the chosen one, else the first that was measured."""
    if decision.keeps:
        return decision.chosen
    return next((arm for arm in evidence.kept if arm.trials), None)


def about(evidence: Evidence, arm: Arm) -> Iterator[Reason]:
    """What an age costs and saves besides its speed."""
    found: tuple[Reason | None, ...] = (
        cpu(evidence, arm),
        _reuse(arm),
        _expiry(arm),
        _closed_form(arm),
        beside_unlimited(evidence, arm) if arm.case.max_age is not None else None,
        health_checks(evidence, arm),
    )
    yield from (reason for reason in found if reason)


def cpu(evidence: Evidence, arm: Arm) -> CpuPerRequest | None:
    """At both ends, beside the baseline's."""
    ours = arm.cpu_seconds_per_request
    theirs = evidence.baseline.cpu_seconds_per_request if evidence.baseline else None
    if ours is None or theirs is None or ours.app is None or theirs.app is None:
        return None
    both = ours.database is not None and theirs.database is not None
    return CpuPerRequest(
        case=arm.case,
        application=ours.app,
        baseline_application=theirs.app,
        database=ours.database if both else None,
        baseline_database=theirs.database if both else None,
        pooler=ours.pooler,
    )


def _reuse(arm: Arm) -> Reuse | None:
    if arm.reuse is None:
        return None
    return Reuse(case=arm.case, share=arm.reuse, connect_seconds=arm.connect_seconds)


def _expiry(arm: Arm) -> Expiry | None:
    if arm.expiry_observed is None:
        return None
    return Expiry(case=arm.case, observed=arm.expiry_observed, ages=AGES_TO_SEE_EXPIRY)


def _closed_form(arm: Arm) -> ClosedForm | None:
    """Only where a connection belongs to a holder that comes back: what leaks is never reused at any age."""
    rate = rate_per_connection(arm)
    if rate is None or not arm.case.max_age or arm.leaks:
        return None
    return ClosedForm(
        case=arm.case,
        rate=rate,
        reuse=closed_forms.reuse(rate, arm.case.max_age),
        wanted=REUSE_WANTED,
        enough_seconds=closed_forms.smallest_age(REUSE_WANTED, rate),
        enough_at_one=closed_forms.smallest_age(REUSE_WANTED, 1.0),
    )


def health_checks(evidence: Evidence, arm: Arm) -> HealthChecks:
    """What checking a connection before each use costs, if it was measured."""
    checked, unchecked = (_same_age(evidence, arm, checked=on) for on in (True, False))
    if checked is None or not checked.trials:
        return HealthChecks(case=None)
    effect = evidence.between(checked, unchecked) if unchecked else None
    if effect is None or effect.ratio is None:
        return HealthChecks(case=checked.case)
    low, high = (effect.interval.low, effect.interval.high) if effect.interval else (None, None)
    return HealthChecks(case=checked.case, ratio=effect.ratio, low=low, high=high)


def _same_age(evidence: Evidence, arm: Arm, *, checked: bool) -> Arm | None:
    same = (one for one in evidence.kept if one.case.max_age == arm.case.max_age)
    return next((one for one in same if one.case.checks_health == checked), None)
