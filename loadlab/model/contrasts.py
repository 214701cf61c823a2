"""Two runs side by side: their cases, metric by metric, and what differs around them."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.model.case import Case
from loadlab.model.findings import Arm, RunSummary


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """One case in two runs, in one metric: medians before and after, and how far all of it has shifted.

    `ratio` is Hodges and Lehmann's estimate over all pairs of an earlier and a later trial, `low` and `high` its 95 %
    interval, not paired by block: it allows the machine to have changed between the runs by as much as two trials
    differ. Trials that served nothing, `silent` before and after, are in all of them. No verdict: a larger change of
    the machine is in the ratio too.
    """

    case: Case
    metric: str
    before: float
    after: float
    ratio: float
    low: float | None
    high: float | None
    trials: tuple[int, int]
    silent: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContrast:
    """Two runs side by side.

    `arms` are pairs of cases that are the same but for what `changed` between the runs in all of them; `differences`
    are those of their environments. Both are (fact, before, after). `only_before` and `only_after` are ids of cases.
    `counted_out` are cases, as the first run has them, that left one of the runs by their counts.
    """

    before: RunSummary
    after: RunSummary
    contrasts: tuple[Contrast, ...]
    arms: tuple[tuple[Arm, Arm], ...]
    changed: tuple[tuple[str, str, str], ...]
    differences: tuple[tuple[str, str, str], ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    counted_out: frozenset[Case] = frozenset()
