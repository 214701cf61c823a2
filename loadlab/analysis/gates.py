"""Decides gates: pass, fail or undecided, each from the interval of what it limits.

An estimate has two ends. The gate passes if the end towards the limit is on its good side: that end has an error of 5 %
for each gate. A build passes only if all gates do, so it is wrong in at most 5 % of builds, however many gates there
are. A build fails if one gate does, so that errors add up: the other end is corrected for the family by Holm's
procedure. The correction is at what no change would give: at 1 for a ratio to a baseline, and at the limit where that
is not better than the limit. A ratio must in addition lie beyond its limit with an error of 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, isfinite
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np

from loadlab.model.gates import Doubt, GateOutcome, GateResult
from loadlab.stats import between_runs
from loadlab.stats.blocks import ALPHA
from loadlab.stats.intervals import Interval, ends_of_median, median
from loadlab.stats.paired import ratio_of
from loadlab.stats.signed_rank import Averages, critical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from loadlab.model.case import Case
    from loadlab.model.gates import Gate

UNBOUNDED: Final = Interval(-inf, inf)


class Estimator(Protocol):
    """What an estimate rests on."""

    @property
    def size(self) -> int:
        """Trials, or pairs of them."""

    def value(self) -> float | None:
        """The estimate itself; None without any trial."""

    def ends(self, tail: float) -> Interval:
        """The interval with an error of `tail` at each end; an end that nothing bounds is infinite."""


@dataclass(frozen=True, slots=True, eq=False)
class OverTrials:
    """The median over the trials of one case; NaN is a value that exists and is not known."""

    values: NDArray[np.float64]

    @property
    def size(self) -> int:
        return int(self.values.size)

    def value(self) -> float | None:
        known = self.values[~np.isnan(self.values)]
        return float(median(known)) if known.size else None

    def ends(self, tail: float) -> Interval:
        return ends_of_median(self.values, tail) or UNBOUNDED


@dataclass(frozen=True, eq=False)
class OverBlocks:
    """The ratio to a baseline of the same run, paired by block; Wilcoxon's signed-rank test, inverted."""

    differences: NDArray[np.float64]

    @property
    def size(self) -> int:
        return int(self.differences.size)

    def value(self) -> float | None:
        if np.isnan(self.differences).all():
            return None
        return ratio_of(float(self._averages.estimate()))

    def ends(self, tail: float) -> Interval:
        cut = critical(self.size, tail) if self.size else None
        if cut is None:
            return Interval(0.0, inf)
        low, high = self._averages.ends(cut)
        return Interval(ratio_of(float(low)), ratio_of(float(high)))

    @cached_property
    def _averages(self) -> Averages:
        return Averages(self.differences)


@dataclass(frozen=True, slots=True, eq=False)
class OverRuns:
    """The ratio to an earlier run, not paired: logarithms of both. Its interval allows for a change of the machine."""

    before: NDArray[np.float64]
    after: NDArray[np.float64]

    @property
    def size(self) -> int:
        return int(min(self.before.size, self.after.size))

    def value(self) -> float | None:
        known = (values[~np.isnan(values)] for values in (self.before, self.after))
        return ratio_of(self._shift(ALPHA)[0]) if all(values.size for values in known) else None

    def ends(self, tail: float) -> Interval:
        interval = self._shift(tail)[1] if self.value() is not None else None
        return Interval(ratio_of(interval.low), ratio_of(interval.high)) if interval else Interval(0.0, inf)

    def _shift(self, tail: float) -> tuple[float, Interval | None]:
        return between_runs.shift(self.before, self.after, tail=tail)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A figure of this run; None where it was not measured or, with a `doubt`, cannot be told."""

    figure: float | None
    doubt: Doubt = Doubt.NOT_MEASURED


Evidence: TypeAlias = Counted | Estimator


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Question:
    """One gate on one case (of a watch: on one alias), and what is known. `looks`: how often the run could have ended.

    A run that ends as soon as its comparisons are decided has looked several times; its intervals pay for each.
    """

    gate: Gate
    evidence: Evidence
    case: Case | None = None
    alias: str = ""
    looks: int = 1

    @property
    def tail(self) -> float:
        return ALPHA / self.looks


def decide(questions: Sequence[Question]) -> tuple[GateResult, ...]:
    """All gates of a build, in their order."""
    estimated = [one for one in questions if not isinstance(one.evidence, Counted)]
    share = _shares(estimated)
    return tuple(
        _counted(one, one.evidence) if isinstance(one.evidence, Counted) else _estimated(one, share[id(one)])
        for one in questions
    )


def _counted(one: Question, seen: Counted) -> GateResult:
    result = GateResult(gate=one.gate, outcome=GateOutcome.UNDECIDED, case=one.case, alias=one.alias, value=seen.figure)
    if seen.figure is None:
        return replace(result, doubt=seen.doubt)
    return replace(result, outcome=GateOutcome.PASS if one.gate.meets(seen.figure) else GateOutcome.FAIL)


def _shares(family: Sequence[Question]) -> dict[int, int]:
    """Among how many gates each shares the error: Holm's procedure, by intervals.

    All share it at first. What fails leaves the family, and the others share it anew.
    """
    shares = {id(one): len(family) for one in family}
    left = list(family)
    while failing := [one for one in left if _worse_than_unchanged(one, len(left))]:
        shares |= {id(one): len(left) for one in failing}
        left = [one for one in left if one not in failing]
        shares |= {id(one): len(left) for one in left}
    return shares


def _worse_than_unchanged(one: Question, family: int) -> bool:
    gate = one.gate
    end = _far_end(one, one.tail / family)
    if gate.limit.relative and gate.meets(1.0):
        return end > 1.0 if gate.upper else end < 1.0
    return not gate.meets(end)


def _far_end(one: Question, tail: float) -> float:
    """The end of the interval that is best for the gate."""
    interval = _ends(one, tail)
    return interval.low if one.gate.upper else interval.high


def _ends(one: Question, tail: float) -> Interval:
    if isinstance(one.evidence, Counted):
        raise TypeError(f"{one.gate.text} is about a count")
    return one.evidence.ends(tail)


def _estimated(one: Question, family: int) -> GateResult:
    gate, evidence = one.gate, one.evidence
    if isinstance(evidence, Counted):
        raise TypeError(f"{gate.text} is about a count")
    interval = _shown(one, family)
    bad, good = (interval.low, interval.high) if gate.upper else (interval.high, interval.low)
    result = GateResult(
        gate=gate,
        outcome=GateOutcome.UNDECIDED,
        case=one.case,
        value=evidence.value(),
        low=interval.low,
        high=interval.high,
        trials=evidence.size,
    )
    if result.value is None:
        return replace(result, doubt=Doubt.VALUE_UNKNOWN if evidence.size else Doubt.NOT_MEASURED)
    if not gate.meets(bad):
        return replace(result, outcome=GateOutcome.FAIL)
    if gate.meets(good):
        return replace(result, outcome=GateOutcome.PASS)
    bounded = isfinite(good) and isfinite(bad)
    return replace(result, doubt=Doubt.INTERVAL if bounded else Doubt.TOO_FEW_TRIALS)


def _shown(one: Question, family: int) -> Interval:
    """The interval by which a gate is decided: it is undecided where this contains the limit.

    The end towards a failure is the family's where that has to decide: for all limits but those of a ratio that
    differs from 1 for sure.
    """
    single, shared = _ends(one, one.tail), _ends(one, one.tail / family)
    alone = one.gate.limit.relative and one.gate.meets(1.0) and _worse_than_unchanged(one, family)
    far = single if alone else shared
    return Interval(far.low, single.high) if one.gate.upper else Interval(single.low, far.high)
