"""Two runs side by side: the cases that both have, and what differed around them."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from loadlab.analysis.counterparts import counterparts
from loadlab.analysis.scalars import METRICS, scalars
from loadlab.model.case import spell
from loadlab.model.findings import Contrast, RunContrast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case
    from loadlab.model.findings import Findings

NEVER_THE_SAME = frozenset({"load_average_at_start", "setting port"})
FEWEST_TRIALS = 3  # on each side, for an interval


def contrast(before: Findings, after: Findings) -> RunContrast:
    """What `after` shows beside `before`, for the cases that are the same in all that both runs share."""
    ours, theirs = ({arm.case.id: arm for arm in run.arms if not arm.case.replica} for run in (before, after))
    found = counterparts([arm.case for arm in ours.values()], [arm.case for arm in theirs.values()])
    tables = scalars(before.trials), scalars(after.trials)
    return RunContrast(
        before=before.run,
        after=after.run,
        contrasts=tuple(one for pair in found.pairs for one in _of_case(pair, tables)),
        arms=tuple((ours[first.id], theirs[second.id]) for first, second in found.pairs),
        changed=found.changed,
        differences=tuple(_differences(before, after)),
        only_before=tuple(case.id for case in found.only_before),
        only_after=tuple(case.id for case in found.only_after),
    )


def _of_case(cases: tuple[Case, Case], tables: tuple[Scalars, Scalars]) -> Iterator[Contrast]:
    for metric in METRICS:
        first, second = (_positive(table, metric, case) for table, case in zip(tables, cases, strict=True))
        if first.size and second.size:
            low, high = welch(np.log(first), np.log(second))
            yield Contrast(
                case=cases[0],
                metric=metric,
                before=float(np.median(first)),
                after=float(np.median(second)),
                ratio=float(np.median(second) / np.median(first)),
                low=low,
                high=high,
                trials=(first.size, second.size),
            )


def _positive(table: Scalars, metric: str, case: Case) -> NDArray[np.float64]:
    """A value of 0 (nothing succeeded) has no logarithm."""
    return np.array([value for value in table.get((metric, case.id), {}).values() if value > 0], dtype=np.float64)


def welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Welch's 95 % interval of exp(mean of `second` - mean of `first`); none from fewer than three of either."""
    if min(first.size, second.size) < FEWEST_TRIALS:
        return None, None
    parts = [values.var(ddof=1) / values.size for values in (first, second)]
    variance = sum(parts)
    if not variance:
        return None, None
    freedom = variance**2 / sum(
        part**2 / (values.size - 1) for part, values in zip(parts, (first, second), strict=True)
    )
    centre, reach = second.mean() - first.mean(), stdtrit(freedom, 0.975) * variance**0.5
    return exp(centre - reach), exp(centre + reach)


def _differences(before: Findings, after: Findings) -> Iterator[tuple[str, str, str]]:
    """Facts of the environment that are not the same, e.g. a version; some never are, and say nothing."""
    for section in {**before.environment, **after.environment}:
        ours, theirs = before.environment.get(section, {}), after.environment.get(section, {})
        for fact in {**ours, **theirs}:
            old, new = (spell(facts[fact]) if fact in facts else "absent" for facts in (ours, theirs))
            if old != new and fact not in NEVER_THE_SAME:
                yield f"{section}: {fact}", old, new
