"""Reads gates: `QUANTITY OPERATOR LIMIT`, from a plan's [gates] and from the command line.

    gate     = quantity [ "(" fault ")" ] operator limit
    operator = "==" | "<" | "<=" | ">" | ">="
    limit    = number [ unit ] [ "per connection" ]
             | [ number [ "%" ] "×" ] "baseline"
    unit     = "ms" | "s" | "%" | "/s"

"≤" and "≥" are the same as "<=" and ">=", and "x" and "*" the same as "×".
"""

from __future__ import annotations

import re
from decimal import Decimal
from math import inf, isfinite
from typing import TYPE_CHECKING, Final

from loadlab.model.gates import EVERY, MEASURES, Gate, Limit, matches
from loadlab.model.labels import short_names
from loadlab.model.spelling import did_you_mean
from loadlab.plan.faults import planned_faults
from loadlab.plan.problems import Problem, one_of, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from loadlab.model.case import Case
    from loadlab.model.gates import Measure, Operator, Unit
    from loadlab.model.plan import Plan

EXPRESSION: Final = re.compile(
    r"(?P<quantity>\w+)\s*(?:\(\s*(?P<fault>[^)]*?)\s*\))?\s*(?P<operator>[=<>!≤≥~]+)\s*(?P<limit>\S.*)"
)
RELATIVE: Final = re.compile(r"(?:(?P<number>[-+.\w]+?)\s*(?P<unit>%?)\s*[×x*]\s*)?baseline")
ABSOLUTE: Final = re.compile(
    r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(?P<unit>[^\s\d.]\S*)?(?P<each>\s+per\s+connection)?"
)
OPERATORS: Final[Mapping[str, Operator]] = {
    "==": "==", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "≤": "<=", "≥": ">=",
}  # fmt: skip
# Unit as written → what it measures, and how many of the base unit it is. Limits are read in decimals: 95 × 0.01 is
# more than 0.95 in binary, and 19 of 20 would miss 95 %.
PERCENT: Final = Decimal("0.01")
UNITS: Final[Mapping[str, tuple[Unit, Decimal]]] = {
    "ms": ("s", Decimal("0.001")),
    "s": ("s", Decimal(1)),
    "%": ("share", PERCENT),
    "/s": ("/s", Decimal(1)),
}
FORM: Final = 'write QUANTITY OPERATOR LIMIT, such as "leaks == 0" or "p95 < 50 ms"'
UNDECIDED: Final = "undecided"  # the key of [gates] that is no glob
FEWEST_TRIALS: Final = 5  # below, no interval bounds an estimate with 95 %
NEEDS: Final = {
    "closed_load": ("needs a closed load: an open load sets it", "remove the gate, or limit p95 or dropped"),
    "open_load": ("needs an open load", "set rate in [load], or remove the gate"),
    "served_here": ("needs a target that loadlab serves", "remove the gate, or remove [target]"),
}  # fmt: skip


def gates_of(plan: Plan) -> tuple[Gate, ...]:
    """The gates of a checked plan; those with problems are left out."""
    return tuple(_read(plan, []))


def with_more(plan: Plan, expressions: Sequence[str], cases: Sequence[Case]) -> tuple[Gate, ...]:
    """The gates of a plan that was measured in these cases, and those of the command line.

    Raises:
        UsageError: naming every problem of the latter.
    """
    return tuple(dict.fromkeys((*gates_of(plan), *gates_on(plan, expressions, cases))))


def gates_on(
    plan: Plan, expressions: Sequence[str], cases: Sequence[Case], *, between_runs: bool = False
) -> tuple[Gate, ...]:
    """Those of the command line alone. `between_runs`: the baseline is another run.

    Raises:
        UsageError: naming every problem.
    """
    gates = read_gates(expressions)
    problems = [problem for gate in gates for problem in _unmeasured(gate, plan)]
    problems += gates_that_fit_nowhere(gates, cases, cases, between_runs=between_runs)
    if problems:
        raise refusal("--gate", problems)
    return gates


def read_gates(expressions: Sequence[str]) -> tuple[Gate, ...]:
    """The gates of `--gate`, each for all cases, or as "GLOB: EXPRESSION".

    Raises:
        UsageError: naming every problem.
    """
    problems: list[Problem] = []
    found = [parse(*globbed(one), repr(one), problems) for one in expressions]
    if problems:
        raise refusal("--gate", problems)
    return tuple(filter(None, found))


def globbed(said: str) -> tuple[str, str]:
    """(glob, expression).

    >>> globbed("sync*: leaks == 0"), globbed("leaks == 0")
    (('sync*', 'leaks == 0'), ('*', 'leaks == 0'))
    """
    glob, colon, expression = said.rpartition(":")
    return (glob.strip(), expression.strip()) if colon else (EVERY, said.strip())


def parse(cases: str, text: str, where: str, problems: list[Problem]) -> Gate | None:
    """One expression; None if it has `problems`, all of which are added."""
    match = EXPRESSION.fullmatch(text.strip())
    if match is None:
        problems.append(Problem(where=where, what=f"{text!r} is not a gate", remedy=FORM))
        return None
    found: list[Problem] = []
    measure = _measure(match, where, found)
    operator = OPERATORS.get(match["operator"])
    if operator is None:
        found.append(Problem(where=where, what=f"unknown operator {match['operator']!r}", remedy=_operator(match)))
    limit = _limit(match["limit"].strip(), measure, where, found)
    if measure and operator == "==" and measure.estimated:
        found.append(Problem(where=where, what="an estimate is never exactly equal to a limit", remedy="use <= or >="))
    problems += found
    if found or operator is None or limit is None:
        return None
    return Gate(
        text=" ".join(text.split()),
        quantity=match["quantity"],
        operator=operator,
        limit=limit,
        fault=match["fault"],
        cases=cases,
    )


def _measure(match: re.Match[str], where: str, problems: list[Problem]) -> Measure | None:
    name = match["quantity"]
    measure = MEASURES.get(name)
    if measure is None:
        problems.append(Problem(where=where, what=f"unknown quantity {name!r}", remedy=_quantities(name)))
    elif measure.needs == "fault" and not match["fault"]:
        remedy = f"write {name}(FAULT), such as {name}(database_restart)"
        problems.append(Problem(where=where, what=f"{name} is about a fault, and names none", remedy=remedy))
    elif measure.needs != "fault" and match["fault"] is not None:
        remedy = f"write {name} alone, or one of {', '.join(_of_faults()) or 'none'}"
        problems.append(Problem(where=where, what=f"{name} is not about a fault", remedy=remedy))
    return measure


def _quantities(name: str) -> str:
    return did_you_mean(name, MEASURES) or f"use one of {', '.join(MEASURES)}"


def _of_faults() -> list[str]:
    return [name for name, measure in MEASURES.items() if measure.needs == "fault"]


def _operator(match: re.Match[str]) -> str:
    return {"=": "write ==", "=<": "write <=", "=>": "write >="}.get(match["operator"], f"use {', '.join(OPERATORS)}")


def _limit(text: str, measure: Measure | None, where: str, problems: list[Problem]) -> Limit | None:
    if relative := RELATIVE.fullmatch(text):
        return _relative(relative, measure, where, problems)
    match = ABSOLUTE.fullmatch(text)
    if match is None:
        guess = " (did you mean baseline?)" if did_you_mean(re.split(r"\W+", text)[-1], ["baseline"]) else ""
        remedy = 'write a number with its unit, such as "50 ms", or "0.95 × baseline"'
        problems.append(Problem(where=where, what=f"{text!r} is not a limit{guess}", remedy=remedy))
        return None
    factor = _factor(match["unit"] or "", text, measure, where, problems)
    per_connection = match["each"] is not None
    if per_connection and measure and (measure.needs != "fault" or measure.unit):
        remedy = "remove it, or limit failed_after(FAULT)"
        problems.append(Problem(where=where, what='"per connection" is for counts of what a fault does', remedy=remedy))
    value = _times(match["number"], factor)
    if not isfinite(value):
        problems.append(Problem(where=where, what=f"{text!r} is too large a limit", remedy="write a smaller number"))
        return None
    return Limit(value=value, per_connection=per_connection)


def _relative(match: re.Match[str], measure: Measure | None, where: str, problems: list[Problem]) -> Limit | None:
    if measure and measure.needs == "fault":
        problems.append(Problem(where=where, what="what a fault does has no baseline", remedy="write a number"))
    factor = _times(match["number"] or "1", PERCENT if match["unit"] else Decimal(1))
    if not 0 < factor < inf:
        remedy = "write a positive number, such as 0.95 × baseline"
        problems.append(Problem(where=where, what=f"{match['number']!r} × baseline is not a limit", remedy=remedy))
        return None
    return Limit(value=factor, relative=True)


def _times(number: str, factor: Decimal) -> float:
    """Rounded once; infinite where it is too large, or no number."""
    try:
        return float(Decimal(number) * factor)
    except ArithmeticError:
        return inf


def _factor(unit: str, text: str, measure: Measure | None, where: str, problems: list[Problem]) -> Decimal:
    """How many of the base unit one is; a time must have its unit, and a count may have none."""
    if unit and unit not in UNITS:
        remedy = did_you_mean(unit, UNITS) or f"use {', '.join(UNITS)}, or none for a count"
        problems.append(Problem(where=where, what=f"unknown unit {unit!r} in {text!r}", remedy=remedy))
        return Decimal(1)
    measured, factor = UNITS.get(unit, ("", Decimal(1)))
    if measure is None:
        return factor
    if not unit and measure.unit == "s":
        problems.append(Problem(where=where, what=f"{text!r} has no unit", remedy=f"write {text} ms or {text} s"))
    elif unit and measured != measure.unit:
        problems.append(Problem(where=where, what=f"{text!r} is in {unit}", remedy=_in_unit(measure)))
    return factor


def _in_unit(measure: Measure) -> str:
    words = {"": "write a number without a unit", "s": "write ms or s", "share": "write % or no unit"}
    return words.get(measure.unit, f"write {measure.unit} or no unit")


def gate_problems(plan: Plan, _data: Mapping[str, Any] | None = None) -> Iterator[Problem]:
    """What is wrong with the gates of a plan, each by itself and beside the other keys."""
    problems: list[Problem] = []
    gates = list(_read(plan, problems))
    if plan.gates.get(UNDECIDED, "undecided") not in ("undecided", "fail"):
        remedy = 'set "fail", or remove it: then exit code 11 tells'
        problems.append(Problem(where=f"gates.{UNDECIDED}", what="has an unknown value", remedy=remedy))
    yield from problems
    for gate in gates:
        yield from _unmeasured(gate, plan)


def gates_that_fit_nowhere(
    gates: Iterable[Gate], cases: Sequence[Case], chosen: Sequence[Case], *, between_runs: bool = False
) -> Iterator[Problem]:
    """Gates that no case of the plan can be held to: of all `cases`, the `chosen` ones are measured.

    A short name says what differs between cases, so that a case may have another one in the run of a few.
    """
    names, measured_names = short_names(cases), short_names(chosen)
    for gate in gates:
        where = _where(gate)
        meant = [case for case in cases if gate.concerns(case, names[case])]
        unnamed = [one for one in meant if one in measured_names and not gate.concerns(one, measured_names[one])]
        if not any(matches(gate.cases, case, names[case]) for case in cases):
            what = f"no case matches {gate.cases!r}"
            yield Problem(where=where, what=what, remedy=_such_as(gate.cases, cases, names))
        elif not meant:
            yield Problem(where=where, what=_held_to_nothing(gate), remedy="widen it")
        elif unnamed:
            what = f"with --only, {names[unnamed[0]]} is called {measured_names[unnamed[0]]}, which it does not match"
            yield Problem(where=where, what=what, remedy="widen it, or write the id that loadlab plan --ids lists")
        elif (
            gate.limit.relative
            and not between_runs
            and not _has_baseline([case for case in meant if case in chosen], chosen)
        ):
            what = "no case that it is for has a baseline"
            remedy = (
                "measure CONN_MAX_AGE = 0 beside it: add 0 to max_age in [strategies.max_age]; or measure another side"
                " with --against or [against]"
            )
            yield Problem(where=where, what=what, remedy=remedy)


def undecided_fails(plan: Plan) -> bool:
    return plan.gates.get(UNDECIDED) == "fail"


def asks_for_estimates(plan: Plan) -> bool:
    """Whether a gate of the plan needs the trials of all blocks."""
    return any(gate.measure.estimated for gate in gates_of(plan))


def _read(plan: Plan, problems: list[Problem]) -> Iterator[Gate]:
    for glob, said in plan.gates.items():
        if glob == UNDECIDED:
            continue
        for text in [said] if isinstance(said, str) else said:
            gate = parse(glob, text, _place(glob, text), problems)
            if gate is not None:
                yield gate


def _where(gate: Gate) -> str:
    return _place(gate.cases, gate.text)


def _place(glob: str, text: str) -> str:
    return f'gates."{glob}" ({text})'


def _unmeasured(gate: Gate, plan: Plan) -> Iterator[Problem]:
    where, needs = _where(gate), gate.measure.needs
    missing = {
        "closed_load": plan.load.model != "closed",
        "open_load": plan.load.model != "open",
        "served_here": plan.target is not None,
    }
    if needs in NEEDS and missing[needs]:
        what, remedy = NEEDS[needs]
        yield Problem(where=where, what=f"{gate.quantity} {what}", remedy=remedy)
    planned = dict.fromkeys(fault.name for fault in planned_faults(plan))
    if gate.fault is not None and gate.fault not in planned:
        remedy = one_of(planned, gate.fault) if planned else f'add [[faults]] with kind = "{gate.fault}"'
        yield Problem(where=where, what=f"the plan has no fault {gate.fault!r}", remedy=remedy)
    if gate.measure.estimated and plan.blocks < FEWEST_TRIALS:
        what = f"{gate.quantity} is an estimate, and {plan.blocks} blocks cannot decide it"
        yield Problem(where=where, what=what, remedy=f"set blocks to {FEWEST_TRIALS} or more; 12 find a loss of 10 %")


def _has_baseline(meant: Sequence[Case], cases: Sequence[Case]) -> bool:
    if any(not case.is_this_side for case in cases):
        return True
    groups = {case.group for case in cases if case.is_baseline}
    return not meant or any(case.is_candidate and case.group in groups for case in meant)


def _held_to_nothing(gate: Gate) -> str:
    if gate.fault is not None:
        return f"{gate.cases!r} matches no case in which {gate.fault} can be applied"
    return f"{gate.cases!r} matches only cases that this gate is not about: with a fault, a replica, or the other side"


def _such_as(glob: str, cases: Sequence[Case], names: Mapping[Case, str]) -> str:
    known = dict.fromkeys([*(case.server.name for case in cases), *names.values()])
    return did_you_mean(glob.strip("*"), known) or f"the plan has {', '.join(names.values())}"
