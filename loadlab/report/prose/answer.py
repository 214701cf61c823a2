"""The answer of a whole run, in a few sentences."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Final

from loadlab.model.answers import (
    AsDeployed,
    BestStrategies,
    CompareNext,
    DefaultAge,
    NothingKnown,
    OnlyFaults,
    Remedies,
    SafeAge,
    UndecidedConditions,
    UnlimitedAge,
)
from loadlab.report import numbers
from loadlab.report.labels import plain_age
from loadlab.report.prose import objections, verdicts
from loadlab.report.prose.reasons import beside, outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.model.answers import Answer, Chosen
    from loadlab.model.condition import Condition
    from loadlab.report.labels import Labels

COMPARE: Final = (
    "This run measured the settings as deployed, so it recommends none. Deploy another CONN_MAX_AGE, run again, and"
    " compare both runs with loadlab compare."
)
BY_GROWTH: Final = "judged by how counts grow, for [target] names no usable_connections"
PROPOSED: Final = "CONN_MAX_AGE = 600, the default proposed in 2013,"
NO_MORE_THAN_NEEDED: Final = "it keeps no more connections open than there are active requests"
MOST_IN_FULL: Final = 4  # groups with all their figures in one sentence; more of them are told by their judgements


@singledispatch
def sentence(answer: Answer, names: Labels) -> str:
    """One sentence for each kind of answer; `names` are those of its run."""
    raise TypeError(f"no sentence for {answer.kind} beside {names.zero}")


@sentence.register(BestStrategies)
def _best(answer: BestStrategies, names: Labels) -> str:
    """Each recommended strategy once, with the groups that it is for."""
    if not answer.chosen:
        return "This run cannot say which strategy is best: no comparison was conclusive."
    parts = [
        f"{name} in {names.conditions(_conditions(ones))}{_gains(ones)}"
        for name, ones in _together((names.arm(one.case), one) for one in answer.chosen).items()
    ]
    return f"The simplest option that is not proven worse than the best: {'; '.join(parts)}."


def _together(named: Iterable[tuple[str, Chosen]]) -> dict[str, list[Chosen]]:
    found: dict[str, list[Chosen]] = {}
    for name, one in named:
        found.setdefault(name, []).append(one)
    return found


def _conditions(chosen: Iterable[Chosen]) -> list[Condition]:
    return [one.condition for one in chosen]


def _gains(chosen: Iterable[Chosen]) -> str:
    """From the least to the most that it gains there; empty for what gains nothing."""
    known = sorted(one.gain for one in chosen if one.gain)
    if not known:
        return ""
    low, high = numbers.ratio(known[0]), numbers.ratio(known[-1])
    return f" ({low if low == high else f'{low} to {high}'})"


@sentence.register(Remedies)
def _remedies(answer: Remedies, names: Labels) -> str:
    """What to do where CONN_MAX_AGE leaks."""
    where = f"In {names.conditions(answer.leaking)}, connections kept by CONN_MAX_AGE alone are never reused, and leak"
    if not answer.chosen:
        return f"{where}. No other measured strategy is proven better than closing them after each request."
    fixes = list(dict.fromkeys(names.arm(one.case) for one in answer.chosen))
    return f"{where}. There, {numbers.listed(fixes)} {'is' if len(fixes) == 1 else 'are'} better, without a leak."


@sentence.register(DefaultAge)
def _default(answer: DefaultAge, names: Labels) -> str:
    keeping, leaking = names.conditions(answer.keeping), names.conditions(answer.leaking)
    if keeping and leaking:
        return (
            f"No single default fits. Keeping connections pays in {keeping}. In {leaking}, kept connections "
            f"{_harm(answer, names)}. {PROPOSED} is therefore not a safe default."
        )
    if leaking:
        return f"{PROPOSED} is not a safe default: in {leaking}, kept connections {_harm(answer, names)}."
    if keeping:
        return f"This run found nothing against {PROPOSED} in {keeping}: {_enough(answer)}."
    if answer.idle:
        return f"{PROPOSED} gains nothing in {names.conditions(answer.idle)}."
    return f"This run cannot say whether {PROPOSED} is a good default: no comparison was conclusive."


def _harm(answer: DefaultAge, names: Labels) -> str:
    if answer.harm is None or answer.worst is None:
        raise ValueError("nothing does harm")
    verb, figures = objections.harm(answer.harm)
    where = f"{names.condition(answer.worst)}: " if len(answer.leaking) > 1 else ""
    return f"{verb} ({where}{figures})"


def _enough(answer: DefaultAge) -> str:
    """600 itself may not have been measured; the closed form says what any longer age can still add."""
    start = "600 s was measured" if answer.measured else "600 s was not measured"
    leak = "nothing leaked" if answer.leak == "no" else "no leak was seen"
    if answer.enough_seconds is None:
        return f"{start} and {leak}"
    age, reuse = numbers.figure(answer.enough_seconds), numbers.percentage(answer.wanted)
    return f"{start}, {leak}, and at this load an age of {age} s already gives {reuse} reuse"


@sentence.register(UnlimitedAge)
def _unlimited(answer: UnlimitedAge, names: Labels) -> str:
    parts = _in_full(answer, names) if len(answer.compared) <= MOST_IN_FULL else _in_a_word(answer, names)
    if not parts:
        leaks = "An unlimited age leaks in the same server modes."
        return leaks if answer.leaks else "Unlimited was not compared with a finite age."
    return f"Unlimited age: {'; '.join(parts)}.{' It leaks in the same server modes.' if answer.leaks else ''}"


def _in_full(answer: UnlimitedAge, names: Labels) -> list[str]:
    return [
        f"in {names.condition(one.condition)}, {beside(one.beside, plain_age(one.beside.case.strategy))}"
        for one in answer.compared
    ]


def _in_a_word(answer: UnlimitedAge, names: Labels) -> list[str]:
    """Of many groups, those of one judgement together."""
    by_word: dict[str, list[Condition]] = {}
    for one in answer.compared:
        by_word.setdefault(outcome(one.beside), []).append(one.condition)
    return [f"in {names.conditions(some)}, {word} against a finite age" for word, some in by_word.items()]


@sentence.register(SafeAge)
def _safe(answer: SafeAge, names: Labels) -> str:
    ages = _together((numbers.age(one.case.max_age), one) for one in answer.chosen)
    choices = [f"{age} for {names.conditions(_conditions(ones))}" for age, ones in ages.items()]
    if answer.leaking and choices:
        return f"0 is the only safe default. Set {numbers.listed(choices)}."
    if answer.leaking:
        return f"0 is the safe default: {NO_MORE_THAN_NEEDED}."
    if choices:
        return f"Set {numbers.listed(choices)}. Server modes that were not measured may leak."
    return f"Until a difference is proven, 0 is the safe choice: {NO_MORE_THAN_NEEDED}."


@sentence.register(UndecidedConditions)
def _doubt(answer: UndecidedConditions, names: Labels) -> str:
    by_reason: dict[str, list[Condition]] = {}
    for one in answer.conditions:
        by_reason.setdefault(verdicts.without(one.ground, one.blocks), []).append(one.condition)
    parts: Sequence[str] = [f"{names.conditions(some)} ({why})" for why, some in by_reason.items()]
    return f"Inconclusive: {'; '.join(parts)}."


@sentence.register(AsDeployed)
def _as_deployed(answer: AsDeployed, names: Labels) -> str:  # noqa: ARG001  the case is named in full
    case = answer.case
    load = f"{case.words('load')}, client {case.words('keep_alive')}"
    return f"{case.strategy}, {load}: {', '.join(_facts(answer))}."


def _facts(answer: AsDeployed) -> Iterator[str]:
    if answer.throughput is not None:
        yield f"{numbers.figure(answer.throughput)} requests/s"
    if answer.p50_seconds is not None:
        yield f"median response {numbers.milliseconds(answer.p50_seconds)}"
    if answer.reuse is not None:
        yield f"{numbers.percentage(answer.reuse)} of requests reused a connection"
    yield f"at most {numbers.plural(answer.peak, 'connection')} open"
    leaks = {"yes": "and they leak", "no": "and no leak seen"}
    rule = f" ({BY_GROWTH})" if answer.case.usable_connections is None else ""
    yield f"{leaks.get(answer.leak, 'too few were opened to tell whether they leak')}{rule}"


@sentence.register(CompareNext)
def _compare_next(answer: CompareNext, names: Labels) -> str:  # noqa: ARG001  the same for every run
    return COMPARE


@sentence.register(OnlyFaults)
def _only_faults(answer: OnlyFaults, names: Labels) -> str:  # noqa: ARG001  the same for every run
    return "All cases of this run have a fault, so it recommends no setting. Measure them without it too."


@sentence.register(NothingKnown)
def _nothing_known(answer: NothingKnown, names: Labels) -> str:  # noqa: ARG001  the same for every run
    return "No trial is complete, so this run says nothing about the target."
