"""Which cases of a run under way need no further block: their counts decide, or their comparisons are decided."""

from __future__ import annotations

from collections import Counter
from math import log1p
from typing import TYPE_CHECKING

import numpy as np

from loadlab.analysis.arms import MeasuredTrial
from loadlab.analysis.comparisons import JUDGED
from loadlab.analysis.decisions import TRIALS_TO_SHOW_A_LEAK
from loadlab.analysis.judgement import called_early
from loadlab.analysis.noise import bars
from loadlab.analysis.pairs import Pair, declared_pairs
from loadlab.analysis.scalars import scalars
from loadlab.analysis.trials import refused, summarise
from loadlab.model.caveats import Caveat, CaveatKind
from loadlab.model.departure import Why
from loadlab.plan.gates import asks_for_estimates
from loadlab.stats.paired import log_ratios
from loadlab.stats.rank_sum import FEWEST_EACH
from loadlab.stats.sequential import look_at
from loadlab.stats.signed_rank import Averages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from loadlab.analysis.judgement import Bar
    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case
    from loadlab.model.caveats import Figures
    from loadlab.model.condition import Condition
    from loadlab.model.departure import Departure
    from loadlab.model.plan import Plan
    from loadlab.model.samples import Trial
    from loadlab.model.schedule import Schedule
    from loadlab.stats.sequential import Look


class Departures:
    """Tells after each block which cases leave; keeps the summaries of the trials that it has seen."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seen: dict[int, MeasuredTrial] = {}

    def after(self, blocks: int, schedule: Schedule, trials: Iterable[Trial]) -> dict[Case, Why]:
        """Those that leave after so many blocks, each with the reason; none where the schedule is fixed.

        Cases leave after each second block only: the order of trials is balanced over two. One with which nothing is
        compared any more stays until another run can be compared with it.
        """
        if schedule.fixed or blocks % 2 or blocks < self._plan.min_blocks:
            return {}
        everything = [self._measured(trial) for trial in trials]
        counted = _counted(schedule, everything)
        if asks_for_estimates(self._plan) or self._plan.against is not None:
            return dict(counted)  # a gate's interval is made of all blocks, and so is that between two sides
        out = {case for case, departure in schedule.left.items() if departure.why.counted}
        asked = [case for case in schedule.cases if case not in out and case not in counted]
        here = [case for case in asked if case not in schedule.left]
        table = scalars(one.summary for one in everything)
        over = decided(asked, here, table, blocks, self._plan)
        stay = [case for case in here if case not in over]
        alone = _alone(stay, schedule.cases) if blocks >= FEWEST_EACH else []
        return {**counted, **dict.fromkeys(over, Why.DECIDED), **dict.fromkeys(alone, Why.ALONE)}

    def _measured(self, trial: Trial) -> MeasuredTrial:
        """A trial that is made once more has the same order."""
        seen = self._seen.get(trial.order)
        if seen is None or seen.trial is not trial:
            seen = self._seen[trial.order] = MeasuredTrial(trial=trial, summary=summarise(trial))
        return seen


def decided(asked: Sequence[Case], here: Sequence[Case], table: Scalars, blocks: int, plan: Plan) -> list[Case]:
    """The candidates of each group whose every comparison has its verdict after so many blocks.

    `asked` are the cases about whose speed the run asks, and `here` those of them that are still measured. What is
    decided stays in the family.
    """
    metric = plan.primary_metric
    bar = bars(here, table, plan.equivalence_margin)[metric]
    family = Counter(pair.question for pair in declared_pairs(asked))
    open_groups: set[Condition] = set()
    pairs = _judged(here)
    for pair in pairs:
        values = (table.get((metric, case), {}) for case in (pair.case, pair.baseline))
        look = look_at(blocks, plan.min_blocks, plan.blocks, family[pair.question])
        if look is None or not _has_verdict(log_ratios(*values), look, bar):
            open_groups.update((pair.case.group, pair.baseline.group))
    return [case for case in _in(pairs) if case.is_candidate and case.group not in open_groups]


def _has_verdict(differences: NDArray[np.float64], look: Look, bar: Bar) -> bool:
    if differences.size != look.blocks:
        return False
    return not np.isnan(called_early(Averages(differences), look, margin=log1p(bar.margin), noise=bar.noise))


def _counted(schedule: Schedule, everything: Sequence[MeasuredTrial]) -> dict[Case, Why]:
    """The candidates that leaked or were refused in two trials: no speed makes up for it.

    A case that is compared with none stays: nothing but its own figures was asked for.
    """
    leaked = Counter(one.trial.case for one in everything if one.leaked)
    turned_away = Counter(one.trial.case for one in everything if one.complete and refused(one.trial))
    found = {}
    for case in _in(_judged(schedule.cases)):
        if case.is_candidate and case not in schedule.left:
            if leaked[case] >= TRIALS_TO_SHOW_A_LEAK:
                found[case] = Why.LEAKS
            elif turned_away[case] >= TRIALS_TO_SHOW_A_LEAK:
                found[case] = Why.REFUSED
    return found


def _alone(cases: Sequence[Case], planned: Sequence[Case]) -> list[Case]:
    """Of those that stay, the ones that nothing is compared with any more; a replica shows the noise of the others."""
    if not _judged(planned):
        return []
    needed = _in(declared_pairs(cases)) if _judged(cases) else {}
    compared = _in(declared_pairs(planned))
    return [case for case in cases if case in compared and case not in needed]


def _judged(cases: Sequence[Case]) -> list[Pair]:
    return [pair for pair in declared_pairs(cases) if pair.question in JUDGED]


def _in(pairs: Iterable[Pair]) -> dict[Case, None]:
    """The cases of both sides, each once, in their order."""
    return dict.fromkeys(case for pair in pairs for case in (pair.case, pair.baseline))


def spared(left: Mapping[Case, Departure], planned: int) -> Iterator[Caveat]:
    """Which cases left before the last of the planned blocks, and why; those that left together are told together."""
    together: dict[tuple[Why, int], list[Case]] = {}
    for case, departure in left.items():
        together.setdefault((departure.why, departure.blocks), []).append(case)
    for (why, blocks), cases in together.items():
        fewer = sum(left[case].spared for case in cases)
        figures: Figures = {"cases": tuple(cases), "blocks": blocks, "planned": planned, "spared": fewer}
        yield Caveat(kind=CaveatKind(f"left_{why}"), subject="run", figures=figures)
