"""A verdict in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.reasons import Gain, Ground, Harm, SharedObjection, Speed, TooFewBlocks
from loadlab.report import numbers
from loadlab.report.prose import objections
from loadlab.report.prose.reasons import gain, sentence
from loadlab.stats.blocks import FEWEST_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.findings import Verdict
    from loadlab.model.reasons import Reason
    from loadlab.report.labels import Labels

# Why nothing is recommended.
WITHOUT: Final[Mapping[Ground, str]] = {
    Ground.NOTHING_KEPT: "no case keeps connections",
    Ground.NO_BASELINE: "no trial with CONN_MAX_AGE = 0 is complete",
    Ground.BASELINE_REJECTED: "closing after each request is ruled out too, or needs more connections than production "
    "allows",
    Ground.ALL_FAILED: "no request succeeded",
    Ground.TOO_FEW_BLOCKS: "too few blocks are complete",
    Ground.LEAK_UNKNOWN: "the better option opened too few connections to tell whether it leaks",
    Ground.SEEN_ONCE: "only one trial shows the fault of kept connections",
    Ground.UNPROVEN: "the comparisons are inconclusive",
}

# What to do then.
NEXT: Final[Mapping[Ground, str]] = {
    Ground.NOTHING_KEPT: "Add a strategy that keeps connections to the plan.",
    Ground.NO_BASELINE: "Add max_age = 0 to the plan, or resume the run.",
    Ground.BASELINE_REJECTED: "Use a lighter load, or add another strategy to the plan.",
    Ground.ALL_FAILED: "See the failed requests for the cause.",
    Ground.TOO_FEW_BLOCKS: "Raise blocks in the plan. If trials are missing, resume the run.",
    Ground.LEAK_UNKNOWN: "Use a longer window or more users.",
    Ground.SEEN_ONCE: "Raise blocks in the plan.",
    Ground.UNPROVEN: "Raise blocks in the plan for a clearer answer.",
}


def headline(verdict: Verdict, names: Labels) -> str:
    """E.g. "gevent: close connections after each request, because kept connections leak (94 open, only 8 usable)."""
    return f"{names.condition(verdict.condition)}: {clause(verdict, names)}."


def why(verdict: Verdict, names: Labels) -> tuple[str, ...]:
    """All reasons, what decides first."""
    return tuple(sentence(reason, names) for reason in verdict.reasons)


def clause(verdict: Verdict, names: Labels) -> str:
    """The same without the server mode, where a row or a card names that."""
    kept = next((one for one in verdict.figures if isinstance(one, Gain)), None)
    if kept is not None:
        return _keep(kept, names)
    if verdict.recommend is None:
        few = next((one for one in verdict.figures if isinstance(one, TooFewBlocks)), None)
        return f"inconclusive, because {without(verdict.kind, few)}"
    if verdict.kind is Ground.ALL_REJECTED:
        why = "; ".join(_rejected(one, names) for one in verdict.figures)
        return f"close connections after each request, because {why}"
    closest = [one for one in verdict.figures if isinstance(one, Speed)]
    if names.has_others:
        nearest = "; ".join(f"{names.arm(one.case)} comes closest, {_compared(one)}" for one in closest)
        return f"close connections after each request, because no eligible strategy is proven better: {nearest}"
    gains = "; ".join(f"{numbers.age(one.case.max_age)} {_compared(one)}" for one in closest)
    return f"close connections after each request, because keeping them gains nothing: {gains}"


def without(ground: Ground, few: TooFewBlocks | None) -> str:
    """Why nothing is recommended, in one clause."""
    if few is None:
        return WITHOUT[ground]
    among = f" on {numbers.plural(few.comparisons, 'comparison')}" if few.needed > FEWEST_BLOCKS else ""
    complete = f"only {numbers.plural(few.blocks, 'block')} {'is' if few.blocks == 1 else 'are'} complete"
    return f"{complete if few.blocks else 'no block is complete'}, and a verdict{among} needs {few.needed}"


def _keep(kept: Gain, names: Labels) -> str:
    held = numbers.plural(kept.connections, "connection")
    where = " in PostgreSQL" if kept.pooled else ""
    outcome = f"{gain(kept.comparison)}, {held} held{where}, no leak"
    if kept.case.strategy.name != "max_age":
        return f"use {names.arm(kept.case)}: {outcome}"
    how = "without limit" if kept.case.max_age is None else f"for {numbers.age(kept.case.max_age)}"
    return f"keep connections {how}: {outcome}"


def _rejected(found: Reason, names: Labels) -> str:
    match found:
        case Harm():
            return "kept connections {} ({})".format(*objections.harm(found))
        case SharedObjection():
            cases = numbers.listed(list(map(names.arm, found.cases)))
            return f"{cases} {objections.clause(found.objection)}"
    raise TypeError(f"{found.kind} rules nothing out")


def _compared(found: Speed) -> str:
    return f"{gain(found.comparison)}, {found.comparison.verdict if found.comparison else 'inconclusive'}"
