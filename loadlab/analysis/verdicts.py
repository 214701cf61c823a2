"""A decision on a group, put into words and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.analysis.decisions import Decision, Ground
from loadlab.analysis.multiplicity import FEWEST_BLOCKS
from loadlab.analysis.reasons import reasons
from loadlab.analysis.wording import METRIC_WORDS, age, plural, spread, times
from loadlab.model.findings import Recommendation, Verdict

if TYPE_CHECKING:
    from loadlab.analysis.evidence import Evidence
    from loadlab.model.findings import Arm


def verdict(evidence: Evidence, decision: Decision) -> Verdict:
    recommend = _recommendation(decision.chosen)
    return Verdict(
        server=evidence.server,
        keep_alive=evidence.group.keep_alive,
        scenario=evidence.group.scenario,
        users=evidence.group.users,
        recommend=recommend,
        headline=f"{evidence.label}: {_headline(evidence, decision)}.",
        why=tuple(reasons(evidence, decision)),
        settings=settings(recommend),
    )


def settings(recommend: Recommendation | None) -> str:
    """Lines for a Django settings file; empty without a recommendation."""
    if recommend is None:
        return ""
    value = "None  # unlimited" if recommend.max_age is None else f"{recommend.max_age:g}"
    lines = [f'DATABASES["default"]["CONN_MAX_AGE"] = {value}']
    if recommend.conn_health_checks:
        lines.append('DATABASES["default"]["CONN_HEALTH_CHECKS"] = True')
    return "\n".join(lines)


def harm(evidence: Evidence) -> tuple[str, str]:
    """What kept connections do wrong here, as a verb and its figures; some arm must be unfit."""
    unfit = [arm for arm in evidence.kept if not evidence.fit(arm)]
    worst = max(unfit, key=lambda arm: (arm.leaks, arm.peak))
    refused = sum(arm.refused for arm in unfit)
    attempts = f"{plural(refused, 'attempt')} to connect refused"
    if worst.leaks:
        figures = f"up to {worst.peak} open where {worst.case.usable_connections} can be used"
        return "leak", f"{figures}, {attempts}" if refused else figures
    if refused:
        return "run out", attempts
    return "fail", f"{worst.failures:,} of {plural(worst.requests, 'request')}"


def without_recommendation(evidence: Evidence, ground: Ground) -> str:
    """Why there is none, in one clause."""
    if ground is Ground.TOO_FEW_BLOCKS:
        blocks = [one.blocks for one in map(evidence.against_baseline, evidence.kept) if one]
        return f"{plural(min(blocks, default=0), 'complete block')}, at least {FEWEST_BLOCKS} needed"
    return ground.value


def _recommendation(chosen: Arm | None) -> Recommendation | None:
    """What is kept needs health checks: else a database restart fails one request per open connection."""
    if chosen is None:
        return None
    return Recommendation(
        strategy=chosen.case.strategy.name,
        max_age=chosen.case.max_age,
        conn_health_checks=chosen.case.max_age != 0,
    )


def _headline(evidence: Evidence, decision: Decision) -> str:
    if decision.chosen is None:
        return f"inconclusive, {without_recommendation(evidence, decision.ground)}"
    if decision.ground is Ground.FASTER:
        return _keep(evidence, decision.chosen)
    if decision.ground is Ground.ALL_UNFIT:
        return "close connections after each request: kept ones {}, {}".format(*harm(evidence))
    return f"close connections after each request, keeping them gains nothing: {_gains(evidence)}"


def _keep(evidence: Evidence, arm: Arm) -> str:
    how = "without limit" if arm.case.max_age is None else f"for {age(arm.case.max_age)}"
    held = plural(arm.left_open or arm.peak, "connection")
    return f"keep connections {how}: {_gain(evidence, arm)}, {held} held, no leak"


def _gains(evidence: Evidence) -> str:
    fit = [arm for arm in evidence.kept if evidence.fit(arm)]
    return "; ".join(f"{age(arm.case.max_age)} {_gain(evidence, arm)}, {evidence.judgement(arm)}" for arm in fit)


def _gain(evidence: Evidence, arm: Arm) -> str:
    comparison = evidence.against_baseline(arm)
    if comparison is None or comparison.ratio is None:
        return "not compared"
    words = METRIC_WORDS[evidence.metric]
    return f"{times(comparison.ratio)} the {words} ({spread(comparison.low, comparison.high)})"
