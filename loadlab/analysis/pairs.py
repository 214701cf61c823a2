"""Which case is compared with which, and what for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.case import Case
    from loadlab.model.comparison import Question
    from loadlab.model.condition import Condition


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two cases, and what setting them side by side is to answer."""

    case: Case
    baseline: Case
    question: Question


def declared_pairs(cases: Sequence[Case]) -> tuple[Pair, ...]:
    """All of a run's pairs, in the order of its cases; a case without a counterpart has none."""
    return (
        *_against_baselines(cases),
        *_unlimited_against_finite(cases),
        *_beside_idle_connections(cases),
        *_against_other_side(cases),
    )


def other_side_of(case: Case, cases: Sequence[Case]) -> Case | None:
    """The same case on the other side of the run; None if there is none, or if this is that."""
    if not case.is_this_side:
        return None
    alike = case.without("side")
    return next((one for one in cases if one.competes and not one.is_this_side and one.without("side") == alike), None)


def baseline_of(case: Case, cases: Sequence[Case]) -> Case | None:
    """The case of the same group with CONN_MAX_AGE 0, alike in all else if there is one, else unchecked."""
    choices = [other for other in cases if other.is_baseline and other.group == case.group]
    alike = [other for other in choices if _ageless(other) == _ageless(case)]
    return next(iter(alike or sorted(choices, key=lambda other: other.checks_health)), None)


def _against_baselines(cases: Sequence[Case]) -> list[Pair]:
    pairs = []
    for case in cases:
        if case.replica:
            twin = next((other for other in cases if other == replace(case, replica=False)), None)
            pairs += [Pair(case=case, baseline=twin, question="noise")] if twin else []
        elif case.is_candidate:
            baseline = baseline_of(case, cases)
            pairs += [Pair(case=case, baseline=baseline, question="keep")] if baseline else []
    return pairs


def _unlimited_against_finite(cases: Sequence[Case]) -> list[Pair]:
    kept = [case for case in cases if case.keeps_by_age]
    return [
        Pair(case=unlimited, baseline=finite, question="unlimited")
        for unlimited in kept
        if unlimited.max_age is None
        for finite in kept
        if finite.max_age is not None and _ageless(finite) == _ageless(unlimited)
    ]


def _beside_idle_connections(cases: Sequence[Case]) -> list[Pair]:
    """Each case with idle connections of others beside it, against the same case without."""
    alone = {case.without("idle_percent"): case for case in cases if case.competes and not case.idle_percent}
    return [
        Pair(case=case, baseline=alone[alike], question="idle")
        for case in cases
        if case.competes and case.idle_percent and (alike := case.without("idle_percent")) in alone
    ]


def _against_other_side(cases: Sequence[Case]) -> list[Pair]:
    others = {case.without("side"): case for case in cases if case.competes and not case.is_this_side}
    return [
        Pair(case=case, baseline=others[alike], question="side")
        for case in cases
        if case.competes and case.is_this_side and (alike := case.without("side")) in others
    ]


def _ageless(case: Case) -> Condition:
    """The condition without the age itself."""
    return replace(case.condition, strategy=case.strategy.without("max_age"))
