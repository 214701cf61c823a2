"""A decision on a group, put into words and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.analysis.decisions import Decision, Ground, enough_blocks, gain
from loadlab.analysis.reasons import leaking, reasons
from loadlab.analysis.recommendations import recommendation
from loadlab.analysis.standings import standings
from loadlab.analysis.strategy_reasons import against, objection, strategy_reasons
from loadlab.analysis.wording import METRIC_WORDS, age, plural, spread, times
from loadlab.model.findings import Verdict
from loadlab.stats.multiplicity import FEWEST_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.analysis.evidence import Evidence
    from loadlab.model.findings import Arm, Recommendation


def verdict(evidence: Evidence, decision: Decision) -> Verdict:
    recommend = recommendation(decision.chosen, evidence.driver)
    return Verdict(
        condition=evidence.condition,
        cases=tuple(arm.case for arm in evidence.arms if not arm.case.replica),
        recommend=recommend,
        headline=f"{evidence.label}: {_headline(evidence, decision)}.",
        why=tuple(_why(evidence, decision, recommend)),
        settings=settings(recommend),
        runner_up=recommendation(decision.runner_up, evidence.driver),
        ranking=standings(evidence, decision),
    )


def settings(recommend: Recommendation | None) -> str:
    """Lines for a Django settings file; empty without a recommendation."""
    found = recommend.snippets if recommend else ()
    return next((snippet.text for snippet in found if snippet.file == "settings.py"), "")


def harm(evidence: Evidence) -> tuple[str, str]:
    """What kept connections do wrong here, as a verb and its figures; some arm must be unfit."""
    unfit = [arm for arm in evidence.kept if not evidence.fit(arm)]
    worst = max(unfit, key=lambda arm: (arm.leaks, arm.peak))
    refused = sum(arm.refused for arm in unfit)
    attempts = f"{plural(refused, 'attempt')} to connect refused"
    if worst.leaks:
        figures = leaking(worst)
        return "leak", f"{figures}, {attempts}" if refused else figures
    if refused:
        return "run out", attempts
    dead = max(map(evidence.silent, unfit), key=len)
    if dead:
        return "hang", f"nothing served in {plural(len(dead), 'trial')}"
    return "fail", f"{worst.failures:,} of {plural(worst.requests, 'request')}"


def without_recommendation(evidence: Evidence, ground: Ground) -> str:
    """Why there is none, in one clause."""
    if ground is Ground.TOO_FEW_BLOCKS:
        blocks = [one.blocks for one in map(evidence.against_baseline, evidence.candidates) if one]
        enough = enough_blocks(evidence)
        among = f" for {plural(evidence.family, 'comparison')}" if enough > FEWEST_BLOCKS else ""
        return f"{plural(min(blocks, default=0), 'complete block')}, at least {enough} needed{among}"
    return ground.value


def _why(evidence: Evidence, decision: Decision, recommend: Recommendation | None) -> Iterator[str]:
    if evidence.has_others:
        yield from strategy_reasons(evidence, decision, recommend)
        return
    room = _room(evidence, decision) if evidence.limits.max_connections is not None else ()
    if decision.ground is Ground.FITS:  # what decides comes first
        yield from (*room, *reasons(evidence, decision))
        return
    yield from (*reasons(evidence, decision), *room)


def _room(evidence: Evidence, decision: Decision) -> Iterator[str]:
    need = evidence.need(decision.chosen) if decision.chosen else None
    if need:
        yield f"In production: {need.arithmetic}."
    yield from against(evidence)


def _headline(evidence: Evidence, decision: Decision) -> str:
    chosen = decision.chosen
    if chosen is None:
        return f"inconclusive, {without_recommendation(evidence, decision.ground)}"
    if decision.ground in (Ground.FASTER, Ground.FITS):
        return _keep(evidence, chosen)
    if decision.ground is Ground.ALL_UNFIT:
        return f"close connections after each request: {_all_unfit(evidence)}"
    if evidence.has_others:
        return f"close connections after each request, nothing sound is proven better: {_closest(evidence)}"
    return f"close connections after each request, keeping them gains nothing: {_gains(evidence)}"


def _keep(evidence: Evidence, arm: Arm) -> str:
    held = plural(arm.left_open or arm.peak, "connection")
    where = " in PostgreSQL" if arm.clients_peak is not None else ""
    outcome = f"{_gain(evidence, arm)}, {held} held{where}, no leak"
    if arm.case.strategy.name != "max_age":
        return f"use {evidence.name(arm)}: {outcome}"
    how = "without limit" if arm.case.max_age is None else f"for {age(arm.case.max_age)}"
    return f"keep connections {how}: {outcome}"


def _all_unfit(evidence: Evidence) -> str:
    if not evidence.has_others and any(not evidence.fit(arm) for arm in evidence.kept):
        return "kept ones {}, {}".format(*harm(evidence))
    return "; ".join(f"{evidence.name(arm)} {objection(evidence, arm)}" for arm in evidence.candidates)


def _closest(evidence: Evidence) -> str:
    sound = [arm for arm in evidence.candidates if evidence.sound(arm)]
    nearest = max(sound, key=lambda arm: gain(evidence, arm))
    return f"{evidence.name(nearest)} comes closest, {_gain(evidence, nearest)}, {evidence.judgement(nearest)}"


def _gains(evidence: Evidence) -> str:
    sound = [arm for arm in evidence.candidates if evidence.sound(arm)]
    return "; ".join(f"{age(arm.case.max_age)} {_gain(evidence, arm)}, {evidence.judgement(arm)}" for arm in sound)


def _gain(evidence: Evidence, arm: Arm) -> str:
    comparison = evidence.against_baseline(arm)
    if comparison is None or comparison.ratio is None:
        return "not compared"
    words = METRIC_WORDS[evidence.metric]
    return f"{times(comparison.ratio)} the {words} ({spread(comparison.low, comparison.high)})"
