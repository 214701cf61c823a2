"""What gates came to, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.gates import MEASURES, Doubt, GateOutcome
from loadlab.report import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from loadlab.model.gates import Gate, GateResult, Gates, Unit

DOUBTS: Final[Mapping[Doubt, str]] = {
    Doubt.INTERVAL: "the interval contains the limit",
    Doubt.TOO_FEW_TRIALS: "too few trials for an interval",
    Doubt.NOT_MEASURED: "it was not measured",
    Doubt.VALUE_UNKNOWN: "too few requests succeeded in each trial, or the target did not keep up with its load",
    Doubt.LEAK_UNKNOWN: "too few connections were opened to tell",
    Doubt.NOISE_UNKNOWN: "throughput without the fault varies too much to tell",
    Doubt.UNUSED: "nothing used the database",
    Doubt.NO_ALIAS: "the project has counted no connection of such an alias",
    Doubt.BEGUN_ANEW: "the counters have only just been reset",
    Doubt.STILL_GROWING: "more connections are open than at first, perhaps because more threads or requests are active",
}
SPELT: Final[Mapping[Unit, Callable[[float | None], str]]] = {
    "": numbers.exact,
    "s": numbers.milliseconds,
    "share": numbers.percentage,
    "/s": numbers.figure,
}
WORST_FIRST: Final = (GateOutcome.FAIL, GateOutcome.UNDECIDED, GateOutcome.PASS)
VERBS: Final[Mapping[GateOutcome, tuple[str, str]]] = {
    GateOutcome.PASS: ("passes", "pass"),
    GateOutcome.FAIL: ("fails", "fail"),
    GateOutcome.UNDECIDED: ("is undecided", "are undecided"),
}
UNITS: Final[Mapping[Unit, str]] = {"": "a number", "s": "ms or s", "share": "% or a number", "/s": "/s or a number"}


def measured(result: GateResult) -> str:
    """The figure and its interval, e.g. "0.93× the baseline (0.90–0.96)", or what was counted, e.g. "12 requests"."""
    if result.value is None:
        return numbers.MISSING
    if noun := _noun(result):
        return numbers.plural(int(result.value), noun)
    spelt = numbers.ratio if result.gate.limit.relative else SPELT[result.gate.measure.unit]
    rest = " the baseline" if result.gate.limit.relative else "/s" if result.gate.measure.unit == "/s" else ""
    each = " per connection" if result.gate.limit.per_connection else ""
    value = f"{_bounded(spelt, result.value)}{rest}{each}"
    if result.low is None or result.high is None or result.doubt is Doubt.TOO_FEW_TRIALS:
        return value
    return f"{value} ({_bounded(spelt, result.low)} to {_bounded(spelt, result.high)})"


def _noun(result: GateResult) -> str:
    """Of what was counted; empty for all but whole numbers."""
    limit, measure = result.gate.limit, result.gate.measure
    if limit.relative or limit.per_connection:
        return ""
    return (result.alias and measure.watched_noun) or measure.noun


def _bounded(spelt: Callable[[float | None], str], value: float) -> str:
    return "∞" if value == float("inf") else spelt(value)


def outcome(result: GateResult) -> str:
    """With its sign, e.g. "✗ fail"."""
    return f"{numbers.OUTCOME_SIGNS[result.outcome]} {result.outcome}"


def evidence(result: GateResult) -> str:
    """What was measured, and why that decides nothing where it is undecided."""
    seen = [measured(result)] if result.value is not None else []
    return "; ".join(seen + ([DOUBTS[result.doubt]] if result.doubt else [])) or numbers.MISSING


def sentence(result: GateResult, subject: str) -> str:
    """E.g. "sync/max_age=60: p95 < 50 ms fails; measured 61.2 ms (58.0 ms to 64.1 ms)"."""
    verb = VERBS[result.outcome][0]
    why = f", because {DOUBTS[result.doubt]}" if result.doubt else ""
    seen = "" if result.value is None else f"; measured {measured(result)}"
    return f"{subject}: {result.gate.text} {verb}{why}{seen}"


def quantities() -> Iterator[tuple[str, str, str, str]]:
    """For the documentation: each quantity, whether it is a count, the unit of its limit, and how it is measured."""
    for name, measure in MEASURES.items():
        called = f"{name}(FAULT)" if measure.needs == "fault" else name
        only = {"open_load": "; only of an open load", "closed_load": "; only of a closed load"}
        here = {"served_here": "; only of a target that loadlab serves"}
        also = "; also of a watch" if measure.watched else ""
        yield (
            called,
            measure.kind,
            UNITS[measure.unit],
            measure.meaning + {**only, **here}.get(measure.needs or "", "") + also,
        )


def headline(gates: tuple[GateResult, ...] | list[GateResult]) -> str:
    """How many gates there are of each outcome, the worst first, e.g. "1 fails, 1 is undecided, 6 pass"."""
    counts = {one: sum(result.outcome is one for result in gates) for one in WORST_FIRST}
    said = [f"{count} {VERBS[one][count != 1]}" for one, count in counts.items() if count]
    return ", ".join(said) or "none"


def verdict(gates: Gates) -> str:
    """What the gates mean for the build, e.g. "Gates fail: 1 fails, 6 pass."."""
    return f"Gates {VERBS[gates.outcome][1]}: {headline(gates.results)}."


def written(gate: Gate) -> str:
    """A gate as a table shows it: with its glob, if it has one."""
    return gate.text if gate.cases == "*" else f"{gate.cases}: {gate.text}"
