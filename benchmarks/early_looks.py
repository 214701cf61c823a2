"""How often verdicts are wrong if cases may leave before the last block, and what that saves: by simulation."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log1p, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.analysis import comparisons
from loadlab.analysis.departures import decided
from loadlab.analysis.judgement import called, called_early
from loadlab.analysis.noise import bars
from loadlab.analysis.pairs import declared_pairs
from loadlab.model.departure import Departure, Why
from loadlab.model.plan import Plan
from loadlab.stats.multiplicity import adjust
from loadlab.stats.power import detectable_ratio
from loadlab.stats.sequential import looks_of
from loadlab.stats.signed_rank import Averages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from error_rates import Values
    from numpy.typing import NDArray

    from loadlab.model.case import Case

MARGIN: Final = 0.05
CV: Final = 0.05  # of one trial
FEWEST: Final = 2
STRONG: Final = 1.5  # a ratio that no machine is too noisy for


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """Per run and comparison: the verdict (1, -1, 0, NaN), the 95 % interval in logs, and the blocks it had."""

    verdict: Values
    low: Values
    high: Values
    blocks: NDArray[np.int_]


def judged(cases: Sequence[Case], found: Values, twin: Values, *, early: bool = True, floor: bool = True) -> Judged:
    """`found` are differences (run, comparison, block), and `twin` those of the replica (run, block)."""
    most = found.shape[-1]
    last = Averages(found)
    ends, narrow = last.interval(0.95), last.interval(0.90)
    if ends is None or narrow is None:
        raise ValueError("too few blocks for a verdict")
    low, high, closest, farthest = (np.array(each) for each in (*ends, *narrow))
    estimate, p = np.array(last.estimate()), np.array(last.p())
    blocks = np.full(found.shape[:2], most)
    for look in looks_of(FEWEST, most, found.shape[1]) if early else ():
        at = Averages(found[..., : look.blocks])
        noise = np.abs(Averages(twin[:, : look.blocks]).estimate())[:, np.newaxis] if floor else 0.0
        leaving = _leaving(cases, called_early(at, look, margin=log1p(MARGIN), noise=noise)) & (blocks == most)
        wide = at.ends(look.covers)
        near = (
            at.ends(look.equal) if look.equal is not None else (np.full_like(low, -np.inf), np.full_like(low, np.inf))
        )
        for kept, now in zip(
            (low, high, closest, farthest, estimate, p), (*wide, *near, at.estimate(), at.p()), strict=True
        ):
            kept[leaving] = now[leaving]
        blocks[leaving] = look.blocks
    bar = _floor(twin, blocks) if floor else 0.0
    verdict = called(estimate, (low, high), (closest, farthest), adjust(p), margin=log1p(MARGIN), noise=bar)
    return Judged(verdict=verdict, low=low, high=high, blocks=blocks)


def _leaving(cases: Sequence[Case], verdicts: Values) -> NDArray[np.bool_]:
    """Groups leave as a whole, once each of their comparisons has its verdict."""
    groups = [pair.case.group for pair in declared_pairs(cases) if pair.question == "keep"]
    leaving = np.zeros(verdicts.shape, dtype=bool)
    for group in dict.fromkeys(groups):
        members = [number for number, other in enumerate(groups) if other == group]
        leaving[:, members] = ~np.isnan(verdicts[:, members]).any(axis=1)[:, np.newaxis]
    return leaving


def _floor(twin: Values, blocks: NDArray[np.int_]) -> Values:
    """Of each comparison, over the blocks that it had."""
    bar = np.empty(blocks.shape)
    for count in np.unique(blocks):
        noise = np.abs(Averages(twin[:, :count]).estimate())
        bar = np.where(blocks == count, noise[:, np.newaxis], bar)
    return bar


def check(cases: Sequence[Case], values: Values, ours: Judged) -> None:
    """The first runs again, as a run that is under way is judged after each block, and its analysis in the end."""
    plan = Plan(blocks=values.shape[1], min_blocks=FEWEST, equivalence_margin=MARGIN)
    for run, expected in zip(values, ours.verdict, strict=False):
        left: dict[Case, Departure] = {}
        table = {("throughput", case): {} for case in cases}
        for block in range(plan.blocks):
            stays = [case for case in cases if case not in left]
            for case in stays:
                table["throughput", case][block] = float(np.exp(run[block, cases.index(case)]))
            if block % 2 and block + 1 < plan.blocks:
                over = decided(cases, stays, table, block + 1, plan)
                gone = Departure(case=0, blocks=block + 1, spared=0, why=Why.DECIDED)
                left |= dict.fromkeys(over, gone)
                left |= dict.fromkeys(_idle(cases, left), gone)
        rules = comparisons.Rules(
            bars=bars(cases, table, MARGIN), primary="throughput", blocks=plan.blocks, min_blocks=FEWEST
        )
        compared = comparisons.compare_all(cases, table, rules, left)
        names = {"better": 1.0, "worse": -1.0, "equivalent": 0.0}
        asked = [one for one in compared if one.question == "keep" and one.metric == "throughput"]
        theirs = [names.get(one.verdict, np.nan) for one in asked]
        if not np.array_equal(theirs, expected, equal_nan=True):
            raise AssertionError(f"the analysis says {theirs}, the simulation {expected.tolist()}")


def _idle(cases: Sequence[Case], left: dict[Case, Departure]) -> list[Case]:
    """All others, once every candidate has left."""
    stays = [case for case in cases if case not in left]
    return stays if not any(case.is_candidate for case in stays) else []


def effect(blocks: int, compared: int) -> float:
    """The logarithm of the ratio that the fixed design finds with 80 % power; a strong one where it finds none."""
    ratio = detectable_ratio(sqrt(2) * CV, blocks, compared, margin=MARGIN)
    return log(ratio or STRONG)
