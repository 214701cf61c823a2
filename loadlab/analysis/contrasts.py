"""Two runs side by side: the cases that both have, and what differed around them."""

from __future__ import annotations

from dataclasses import replace
from math import exp
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from loadlab.analysis.scalars import METRICS, scalars
from loadlab.model.case import Choice, spell
from loadlab.model.findings import Contrast, RunContrast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case
    from loadlab.model.findings import Findings

FEWEST_TRIALS = 3  # on each side, for an interval


def contrast(before: Findings, after: Findings) -> RunContrast:
    """What `after` shows beside `before`, for the cases with the same id.

    Of a target that is served elsewhere, what its settings are called is what changes, and is left out of account.
    """
    ours, theirs = ({_key(arm.case): arm for arm in run.arms if not arm.case.replica} for run in (before, after))
    common = [name for name in ours if name in theirs]
    tables = scalars(before.trials), scalars(after.trials)
    return RunContrast(
        before=before.run,
        after=after.run,
        contrasts=tuple(one for name in common for one in _of_case((ours[name].case, theirs[name].case), tables)),
        arms=tuple((ours[name], theirs[name]) for name in common),
        differences=tuple(_differences(before, after)),
        only_before=tuple(name for name in ours if name not in theirs),
        only_after=tuple(name for name in theirs if name not in ours),
    )


def _key(case: Case) -> str:
    return replace(case, strategy=Choice(name="")).id if case.elsewhere else case.id


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
    """Facts of the environment that are not the same, e.g. a version; a load average never is and says nothing."""
    for section in {**before.environment, **after.environment}:
        ours, theirs = before.environment.get(section, {}), after.environment.get(section, {})
        for fact in {**ours, **theirs}:
            old, new = (spell(facts[fact]) if fact in facts else "absent" for facts in (ours, theirs))
            if old != new and "load_average" not in fact:
                yield f"{section}: {fact}", old, new
