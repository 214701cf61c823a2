"""Two runs side by side: the cases that both have, and what differed around them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from loadlab.analysis.paired import ratio_of
from loadlab.analysis.rank_sum import shift
from loadlab.analysis.scalars import METRICS, scalars
from loadlab.model.case import Choice, spell
from loadlab.model.findings import Contrast, RunContrast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case
    from loadlab.model.findings import Findings


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
        first, second = (_values(table, metric, case) for table, case in zip(tables, cases, strict=True))
        known = [values[~np.isnan(values)] for values in (first, second)]
        if all(values.size for values in known):
            with np.errstate(divide="ignore"):
                difference, interval = shift(np.log(first), np.log(second))
            yield Contrast(
                case=cases[0],
                metric=metric,
                before=float(np.median(known[0])),
                after=float(np.median(known[1])),
                ratio=ratio_of(difference),
                low=ratio_of(interval.low) if interval else None,
                high=ratio_of(interval.high) if interval else None,
                trials=(first.size, second.size),
            )


def _values(table: Scalars, metric: str, case: Case) -> NDArray[np.float64]:
    """Of all trials: 0 where nothing was served, and an infinite latency; NaN where it is not known."""
    return np.array(list(table.get((metric, case.id), {}).values()), dtype=np.float64)


def _differences(before: Findings, after: Findings) -> Iterator[tuple[str, str, str]]:
    """Facts of the environment that are not the same, e.g. a version; a load average never is and says nothing."""
    for section in {**before.environment, **after.environment}:
        ours, theirs = before.environment.get(section, {}), after.environment.get(section, {})
        for fact in {**ours, **theirs}:
            old, new = (spell(facts[fact]) if fact in facts else "absent" for facts in (ours, theirs))
            if old != new and "load_average" not in fact:
                yield f"{section}: {fact}", old, new
