"""The reasons for a verdict over several strategies: figures of the chosen one, and what speaks against others."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from loadlab.analysis.reasons import about, connections, cpu, health_checks, leaking, speed
from loadlab.analysis.scalars import METRICS
from loadlab.analysis.wording import METRIC_WORDS, listing, milliseconds, percent, plural, seconds, spread, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.analysis.decisions import Decision
    from loadlab.analysis.evidence import Evidence
    from loadlab.model.findings import Arm, Recommendation


def strategy_reasons(evidence: Evidence, decision: Decision, recommend: Recommendation | None) -> Iterator[str]:
    """First what was chosen, with its figures, then what was not."""
    chosen = decision.chosen
    if chosen is not None and decision.keeps:
        yield from _of_chosen(evidence, decision, chosen)
        if chosen.case.strategy.name == "max_age":
            yield from about(evidence, chosen)
        else:
            yield from _costs(evidence, chosen, recommend)
    yield from against(evidence)
    if chosen is None or not decision.keeps:
        yield from (speed(evidence, arm) for arm in evidence.candidates if evidence.sound(arm))


def _of_chosen(evidence: Evidence, decision: Decision, arm: Arm) -> Iterator[str]:
    yield speed(evidence, arm)
    yield from _other_metrics(evidence, arm)
    yield connections(evidence, arm)
    yield from rule(evidence, decision, arm)
    need = evidence.need(arm)
    if need:
        yield f"In production: {need.arithmetic}."
    if arm.waiting:
        yield f"{evidence.name(arm)}: {waits(arm)}."


def _costs(evidence: Evidence, arm: Arm, recommend: Recommendation | None) -> Iterator[str]:
    text = cpu(evidence, arm)
    if text:
        yield text
    measured = arm.case.strategy.parameters.get("conn_health_checks") is True
    if recommend and recommend.conn_health_checks and not measured:
        yield health_checks(evidence, arm)


def _other_metrics(evidence: Evidence, arm: Arm) -> Iterator[str]:
    found = (one for one in evidence.comparisons if one.case == arm.case.id and one.question == "keep")
    others = [one for one in found if one.metric != evidence.metric and one.ratio is not None]
    parts = [
        f"{times(one.ratio)} the {METRIC_WORDS[one.metric]} ({spread(one.low, one.high)})"
        for one in sorted(others, key=lambda one: METRICS.index(one.metric))
        if one.ratio is not None
    ]
    if parts:
        yield f"Beside it: {listing(parts)}; not judged."


def rule(evidence: Evidence, decision: Decision, chosen: Arm) -> Iterator[str]:
    """Why this one, of all that are better."""
    best = decision.best
    if best is None:
        return
    count = sum(evidence.sound(arm) and evidence.judgement(arm) == "better" for arm in evidence.candidates)
    if count <= 1:
        return
    if best is chosen:
        yield (
            f"Of {plural(count, 'strategy')} proven better, this has the largest gain, and no simpler one matches it; "
            f"the largest of {count} estimates tends to be too high."
        )
    else:
        than = f"{evidence.name(best)} ({_ratio(evidence, best)})"
        proven = f"Of {plural(count, 'strategy')} proven better"
        yield f"{proven}, this is the simplest that is not proven worse than the best, {than}."


def against(evidence: Evidence) -> Iterator[str]:
    """What was ruled out, those with the same reason in one sentence."""
    reasons = [(why, evidence.name(arm)) for arm in evidence.candidates if (why := objection(evidence, arm))]
    for why, group in groupby(sorted(reasons, key=lambda one: one[0]), key=lambda one: one[0]):
        yield f"Not {listing([name for _, name in group])}: {why}."


def objection(evidence: Evidence, arm: Arm) -> str:
    """Why an arm may not be recommended, in one clause; empty where it may."""
    if not arm.trials:
        return "no complete trial"
    if arm.leaks:
        return f"leaks, {leaking(arm)}"
    if arm.refused:
        return f"{plural(arm.refused, 'attempt')} to connect refused"
    if evidence.silent(arm) or evidence.fails_more(arm):
        return _unserved(evidence, arm)
    if arm.leak == "cannot tell":
        return "too few connections were opened to tell whether it leaks"
    need = evidence.need(arm)
    return f"too much for production, {need.arithmetic}" if need and need.fits is False else ""


def _unserved(evidence: Evidence, arm: Arm) -> str:
    dead = len(evidence.silent(arm))
    if dead:
        return f"served nothing in {dead} of {plural(evidence.tried(arm), 'trial')}"
    return f"{percent(evidence.failed_share(arm))} of requests failed"


def waits(arm: Arm) -> str:
    """How long requests waited for a connection; the arm must have waiting."""
    waiting = arm.waiting
    if waiting is None:
        raise ValueError(f"{arm.case.id} has no waiting")
    each = f"{milliseconds(waiting.seconds_per_request)} per request"
    if waiting.at == "pool":
        mean = milliseconds(waiting.mean_seconds or 0)
        return f"{plural(waiting.waits or 0, 'connection')} asked of the pool, {mean} to get one on average, {each}"
    parts = [f"clients waited {each} at the pooler"]
    if waiting.longest_seconds is not None:
        parts.append(f"the longest seen {seconds(waiting.longest_seconds)}")
    if waiting.waiting_at_once is not None:
        parts.append(f"up to {waiting.waiting_at_once} at once")
    return ", ".join(parts)


def _ratio(evidence: Evidence, arm: Arm) -> str:
    comparison = evidence.against_baseline(arm)
    return times(comparison.ratio) if comparison and comparison.ratio else "not compared"
