"""The question behind it all, answered outright: is 600 a good default, would unlimited be better?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.analysis import closed_forms
from loadlab.analysis.decisions import TRIALS_TO_SHOW_A_LEAK, Decision, Ground, decide, gain
from loadlab.analysis.reasons import REUSE_WANTED, rate_per_connection, unlimited_against, unlimited_judged
from loadlab.analysis.verdicts import harm, without_recommendation
from loadlab.analysis.wording import age, listing, percent, times
from loadlab.model.condition import varying
from loadlab.model.labels import condition_label

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from loadlab.analysis.evidence import Evidence
    from loadlab.model.condition import Condition, Factor
    from loadlab.model.findings import Arm

ASKED_SECONDS = 600
MOST_IN_FULL = 4  # groups with all their figures in one sentence; more of them are told by their judgements


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """A group's evidence, and what was decided on it."""

    evidence: Evidence
    decision: Decision

    @property
    def keeps(self) -> bool:
        return self.decision.keeps

    @property
    def leaks(self) -> bool:
        """Whether keeping connections is known to do harm here; a single trial without success may be an accident."""
        return not self.keeps and any(
            arm.leaks or arm.refused or len(self.evidence.silent(arm)) >= TRIALS_TO_SHOW_A_LEAK
            for arm in self.evidence.kept
        )

    @property
    def gains_nothing(self) -> bool:
        return self.decision.ground is Ground.NO_GAIN and not self.leaks

    @property
    def undecided(self) -> bool:
        return self.decision.chosen is None and not self.leaks

    def of_ages_alone(self) -> Decided:
        """What would be decided if there were nothing but CONN_MAX_AGE."""
        plain = self.evidence.of_ages_alone()
        return Decided(evidence=plain, decision=decide(plain))


def answer(decided: Sequence[Decided]) -> tuple[str, ...]:
    """Two to four sentences on CONN_MAX_AGE; where there are other strategies, first which of all to use."""
    if not any(one.evidence.has_others for one in decided):
        return _on_ages(decided)
    plain = [one.of_ages_alone() for one in decided]
    measured = [one for one in plain if one.evidence.kept]
    sentences = (_on_strategies(decided), _on_remedies(decided), _on_doubt(_open(decided)), *_on_age_beside(measured))
    return tuple(sentence for sentence in sentences if sentence)


def _on_ages(decided: Sequence[Decided]) -> tuple[str, ...]:
    keeping, leaking, idle = _sorted(decided)
    sentences = (
        _on_default(keeping, leaking, idle),
        _on_unlimited(decided),
        _on_safety(keeping, leaking),
        _on_doubt([one for one in decided if one.undecided]),
    )
    return tuple(sentence for sentence in sentences if sentence)


def _on_age_beside(measured: Sequence[Decided]) -> tuple[str, ...]:
    """The questions on 600 and on unlimited, where ages were among the strategies."""
    if not measured:
        return ()
    return (_on_default(*_sorted(measured)), _on_unlimited(measured))


def _sorted(decided: Sequence[Decided]) -> tuple[list[Decided], list[Decided], list[Decided]]:
    keeping = [one for one in decided if one.keeps]
    leaking = [one for one in decided if one.leaks]
    return keeping, leaking, [one for one in decided if one.gains_nothing]


def _open(decided: Sequence[Decided]) -> list[Decided]:
    return [one for one in decided if one.decision.chosen is None]


def _on_strategies(decided: Sequence[Decided]) -> str:
    """Each recommended strategy once, with the groups that it is for."""
    chosen: dict[str, list[Decided]] = {}
    for one in decided:
        if one.decision.chosen is not None:
            chosen.setdefault(one.evidence.name(one.decision.chosen), []).append(one)
    if not chosen:
        return "This run cannot say which strategy is best: no comparison was conclusive."
    parts = [f"{name} in {_names(ones)}{_gains(ones)}" for name, ones in chosen.items()]
    return f"The simplest option that is not proven worse than the best: {'; '.join(parts)}."


def _gains(ones: Sequence[Decided]) -> str:
    """From the least to the most that it gains there; empty for what gains nothing."""
    ratios = [gain(one.evidence, one.decision.chosen) for one in ones if one.decision.keeps and one.decision.chosen]
    known = sorted(ratio for ratio in ratios if ratio)
    if not known:
        return ""
    low, high = times(known[0]), times(known[-1])
    return f" ({low if low == high else f'{low} to {high}'})"


def _on_remedies(decided: Sequence[Decided]) -> str:
    """What to do where CONN_MAX_AGE leaks."""
    leaking = [one for one in decided if any(arm.leaks for arm in one.evidence.kept)]
    remedied = [one for one in leaking if one.keeps]
    if not leaking:
        return ""
    where = f"In {_names(leaking)}, connections that CONN_MAX_AGE alone keeps are never reused, and leak"
    if not remedied:
        return f"{where}; nothing else that was measured is proven better than closing them after each request."
    names = dict.fromkeys(one.evidence.name(one.decision.chosen) for one in remedied if one.decision.chosen)
    return f"{where}; there, {listing(list(names))} {'is' if len(names) == 1 else 'are'} better, and without a leak."


def _names(decided: Iterable[Decided]) -> str:
    """The names of groups, those of a whole server mode, or of all its distances, in one."""
    some = [one.evidence for one in decided]
    chosen = {evidence.condition for evidence in some}
    return listing(list(dict.fromkeys(_widest(evidence.condition, chosen, evidence.conditions) for evidence in some)))


def _widest(condition: Condition, chosen: Collection[Condition], everything: Sequence[Condition]) -> str:
    """The shortest true name: without the factors that make no difference to whether a group is chosen."""
    among = varying(everything)
    wider: tuple[tuple[Factor, ...], ...] = (("scenario", "load", "keep_alive", "round_trip_ms"), ("round_trip_ms",))
    for factors in wider:
        wide = condition.without(*factors)
        if all(one in chosen for one in everything if one.without(*factors) == wide):
            return condition_label(wide, among)
    return condition_label(condition, among)


def _on_default(keeping: Sequence[Decided], leaking: Sequence[Decided], idle: Sequence[Decided]) -> str:
    if keeping and leaking:
        return (
            f"No single default fits, and 600 (10 minutes) is not a safe one: keeping connections pays "
            f"in {_names(keeping)}, but in {_names(leaking)} kept ones {_harm(leaking)}."
        )
    if leaking:
        return f"600 (10 minutes) is not a safe default: in {_names(leaking)} kept connections {_harm(leaking)}."
    if keeping:
        return f"Nothing measured speaks against 600 (10 minutes) in {_names(keeping)}: {_enough(keeping)}."
    if idle:
        return f"A default of 600 (10 minutes) would gain nothing in {_names(idle)}."
    return "This run cannot say whether 600 (10 minutes) is a good default: no comparison was conclusive."


def _harm(leaking: Sequence[Decided]) -> str:
    worst = max(leaking, key=lambda one: max(arm.peak for arm in one.evidence.kept))
    verb, figures = harm(worst.evidence)
    where = f"{worst.evidence.label}: " if len(leaking) > 1 else ""
    return f"{verb} ({where}{figures})"


def _enough(keeping: Sequence[Decided]) -> str:
    """600 itself may not have been measured; the closed form says what any longer age can still add."""
    arms = [arm for one in keeping for arm in one.evidence.kept]
    measured = any(arm.case.max_age == ASKED_SECONDS for arm in arms)
    ages = [
        closed_forms.smallest_age(REUSE_WANTED, rate)
        for arm in map(_chosen, keeping)
        if arm and (rate := rate_per_connection(arm))
    ]
    start = "it was measured" if measured else "it was not measured itself"
    leak = "nothing leaked" if all(arm.leak == "no" for arm in arms) else "no leak was seen"
    if not ages:
        return f"{start} and {leak}"
    reuse = percent(REUSE_WANTED)
    return f"{start}, {leak}, and at this load an age of {age(max(ages))} already gives {reuse} reuse"


def _on_unlimited(decided: Sequence[Decided]) -> str:
    """Asked where connections may be kept; where they leak, a longer life is no remedy."""
    asked = [(one, finite) for one in decided if (finite := _beside_unlimited(one))]
    compared = _in_full(asked) if len(asked) <= MOST_IN_FULL else _in_a_word(asked)
    if any(arm.case.max_age is None and arm.leaks for one in decided for arm in one.evidence.kept):
        compared.append("where kept connections leak, unlimited leaks too")
    if compared:
        return f"Unlimited: {'; '.join(compared)}."
    return "Unlimited was not measured beside a finite age."


def _beside_unlimited(one: Decided) -> Arm | None:
    """The finite age that unlimited is set against: the chosen one, else the first that is fit."""
    finite = [arm for arm in one.evidence.kept if arm.case.max_age is not None and one.evidence.fit(arm)]
    chosen = _chosen(one)
    reference = chosen if chosen in finite else next(iter(finite), None)
    return reference if reference and unlimited_judged(one.evidence, reference) else None


def _in_full(asked: Sequence[tuple[Decided, Arm]]) -> list[str]:
    return [f"in {one.evidence.label} {unlimited_against(one.evidence, finite)}" for one, finite in asked]


def _in_a_word(asked: Sequence[tuple[Decided, Arm]]) -> list[str]:
    """Of many groups, those of one judgement together."""
    by_word: dict[str, list[Decided]] = {}
    for one, finite in asked:
        by_word.setdefault(unlimited_judged(one.evidence, finite) or "", []).append(one)
    return [f"in {_names(ones)} {word} beside a finite age" for word, ones in by_word.items()]


def _on_safety(keeping: Sequence[Decided], leaking: Sequence[Decided]) -> str:
    if leaking and keeping:
        return f"The only safe default is 0. Set {_choices(keeping)}."
    if leaking:
        return "The safe default is 0: there are never more connections than active requests."
    if keeping:
        return f"Measured best: {_choices(keeping)}; server modes that were not measured may leak."
    return "Until a difference is proven, 0 is the safe choice: there are never more connections than active requests."


def _on_doubt(undecided: Sequence[Decided]) -> str:
    by_reason: dict[str, list[Decided]] = {}
    for one in undecided:
        by_reason.setdefault(without_recommendation(one.evidence, one.decision.ground), []).append(one)
    text = "; ".join(f"{_names(ones)} ({reason})" for reason, ones in by_reason.items())
    return f"Undecided: {text}." if text else ""


def _choices(keeping: Iterable[Decided]) -> str:
    by_age: dict[str, list[Decided]] = {}
    for one in keeping:
        arm = _chosen(one)
        if arm:
            by_age.setdefault(age(arm.case.max_age), []).append(one)
    return listing([f"{chosen} for {_names(ones)}" for chosen, ones in by_age.items()])


def _chosen(one: Decided) -> Arm | None:
    return one.decision.chosen
