"""One case against its baseline: the effect, how sure it is, and the judgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlab.model.case import Case
from loadlab.model.departure import Why

Judgement = Literal["better", "worse", "equivalent", "inconclusive"]
# Does keeping connections help, how noisy is the run (the A/A arm), does unlimited beat a finite age, do idle
# connections of others slow a case down, and is this side of the run as good as the other.
Question = Literal["keep", "noise", "unlimited", "idle", "side"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One case against its baseline, paired by block.

    `ratio` is case / baseline (Hodges and Lehmann's estimate), `low` and `high` its 95 % interval, of which `high` may
    be infinite. `p` is from Wilcoxon's exact signed-rank test, which the interval inverts; `p_holm` after Holm's
    correction over all comparisons of the run that ask the same `question` in its primary metric. `mde_ratio` is the
    smallest ratio (above 1) that this many blocks call better with power 0.8 under that rule; None where no verdict of
    better or worse is sought, or none is possible. `left` says why the case left the run before its last block: by
    exact counts (then it is not judged, and not in the family), or because it was decided (then the interval holds
    at that look, and p is that of a test with so many blocks).
    """

    case: Case
    baseline: Case
    metric: str
    ratio: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    blocks: int
    mde_ratio: float | None
    verdict: Judgement
    question: Question
    left: Why | None = None

    @property
    def judged(self) -> bool:
        """Whether its speed is asked about: not where exact counts have decided."""
        return self.left is None or not self.left.counted
