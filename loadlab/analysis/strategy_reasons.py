"""The reasons for a verdict over several strategies: figures of the chosen one, and what speaks against others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.analysis.objections import against
from loadlab.analysis.reasons import about, cpu, health_checks, held, speed
from loadlab.analysis.scalars import METRICS
from loadlab.model.reasons import InProduction, OtherMetrics, Preferred, Waits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.analysis.decisions import Decision
    from loadlab.analysis.evidence import Evidence
    from loadlab.model.findings import Arm, Recommendation
    from loadlab.model.reasons import Reason


def strategy_reasons(evidence: Evidence, decision: Decision, recommend: Recommendation | None) -> Iterator[Reason]:
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
        yield from (speed(evidence, arm) for arm in evidence.candidates if evidence.eligible(arm))


def _of_chosen(evidence: Evidence, decision: Decision, arm: Arm) -> Iterator[Reason]:
    yield speed(evidence, arm)
    yield from _other_metrics(evidence, arm)
    yield held(arm)
    yield from _preferred(evidence, decision, arm)
    yield from in_production(evidence, arm)
    if arm.waiting:
        yield Waits(case=arm.case, waiting=arm.waiting)


def _costs(evidence: Evidence, arm: Arm, recommend: Recommendation | None) -> Iterator[Reason]:
    spent = cpu(evidence, arm)
    if spent:
        yield spent
    if recommend and recommend.conn_health_checks and not arm.case.checks_health:
        yield health_checks(evidence, arm)


def _other_metrics(evidence: Evidence, arm: Arm) -> Iterator[OtherMetrics]:
    found = (one for one in evidence.comparisons if one.case == arm.case and one.question == "keep")
    others = [one for one in found if one.metric != evidence.metric and one.ratio is not None]
    if others:
        ordered = sorted(others, key=lambda one: METRICS.index(one.metric))
        yield OtherMetrics(case=arm.case, comparisons=tuple(ordered))


def _preferred(evidence: Evidence, decision: Decision, chosen: Arm) -> Iterator[Preferred]:
    """Why this one, of all that are better."""
    best = decision.best
    better = sum(evidence.eligible(arm) and evidence.judgement(arm) == "better" for arm in evidence.candidates)
    if best is not None and better > 1:
        comparison = evidence.against_baseline(best)
        ratio = comparison.ratio if comparison else None
        yield Preferred(case=chosen.case, better=better, best=best.case, best_ratio=ratio)


def in_production(evidence: Evidence, arm: Arm) -> Iterator[InProduction]:
    need = evidence.need(arm)
    if need:
        yield InProduction(case=arm.case, need=need)
