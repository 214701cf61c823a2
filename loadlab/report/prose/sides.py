"""What one side of a run is beside the other, in a sentence per case."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from loadlab.report import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.comparison import Comparison
    from loadlab.model.findings import Arm, Findings
    from loadlab.report.labels import Labels

MORE_FAILED: Final = 0.01  # of all requests
ONE_FIGURE: Final = 0.1  # below it, a share in % has one figure before the point


def sentences(findings: Findings, names: Labels) -> Iterator[str]:
    """One for each case that both sides have, in the run's primary metric."""
    arms = {arm.case: arm for arm in findings.arms}
    for one in findings.between_sides:
        case = one.case
        mode = names.mode(case.without("side"))
        said = sentence(one, findings.run.equivalence_margin)
        failed = _failures(arms[case], arms[one.baseline]) if case in arms and one.baseline in arms else ""
        yield f"{mode}, {names.strategy(case.strategy)}: {said}{failed}"


def _failures(this: Arm, other: Arm) -> str:
    """What is to be known where one side fails more requests: a page that a revision lacks is answered fast."""
    ours, theirs = _failed(this), _failed(other)
    if abs(ours - theirs) < MORE_FAILED:
        return ""
    return (
        f" The sides do not do the same work: {numbers.percentage(theirs)} of the requests to {other.case.side} failed,"
        f" {numbers.percentage(ours)} of those to this."
    )


def _failed(arm: Arm) -> float:
    return arm.failures / arm.requests if arm.requests else 0.0


def sentence(one: Comparison, margin: float) -> str:
    """E.g. "this is 4 % slower than main (1–7 %)."; a difference that is not proven is said to be none."""
    other = one.baseline.side
    if not one.judged:
        return f"exact counts have decided, not the speed (this against {other})."
    if one.ratio is None or one.low is None or one.high is None:
        return f"this cannot be told from {other}: {numbers.plural(one.blocks, 'block')} with both sides are too few."
    if one.verdict == "equivalent":
        proven = f"a difference of {numbers.percentage(margin)} or more is ruled out ({_range(one)})"
        return f"this is as {_fast(one.metric)} as {other}: {proven}."
    if one.verdict == "inconclusive":
        return _undecided(one)
    return f"this is {_much(one.metric, one.ratio)} than {other} ({_range(one)})."


def _undecided(one: Comparison) -> str:
    """An interval on one side of 1 alone proves nothing: there are other comparisons, and the noise floor."""
    side = one.baseline.side
    if ((one.low or 0.0) < 1) == ((one.high or inf) < 1):
        return f"it is not proven that this differs from {side}, although its interval is {_range(one, sided=True)}."
    return f"it is not decided whether this differs from {side}: {_range(one)}."


def _fast(metric: str) -> str:
    return "fast" if metric == "throughput" else f"fast in its {numbers.metric(metric)}"


def _range(one: Comparison, *, sided: bool = False) -> str:
    """Both ends; where their direction is the same, the sentence has said it, or it is said once if `sided`."""
    low, high = one.low or 0.0, inf if one.high is None else one.high
    if (low < 1) != (high < 1):
        return f"{_much(one.metric, low)} to {_much(one.metric, high)}"
    nearer, farther = sorted((_share(low), _share(high)))
    way = f" {_way(one.metric, low)}" if sided else ""
    return f"{_percent(nearer)}–{_percent(farther)} %{way}"


def _much(metric: str, ratio: float) -> str:
    return f"{_percent(_share(ratio))} % {_way(metric, ratio)}"


def _way(metric: str, ratio: float) -> str:
    slower = (ratio < 1) == (metric == "throughput")
    where = "" if metric == "throughput" else f" in its {numbers.metric(metric)}"
    return f"{'slower' if slower else 'faster'}{where}"


def _share(ratio: float) -> float:
    return abs(ratio - 1)


def _percent(share: float) -> str:
    """Two figures are enough, as in 4.2 and 42."""
    if share == inf:
        return "∞"
    return f"{100 * share:.1f}".removesuffix(".0") if share < ONE_FIGURE else f"{100 * share:.0f}"
