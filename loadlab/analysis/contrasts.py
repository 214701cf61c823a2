"""Two runs side by side: the cases that both have, and what differed around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loadlab.analysis.counterparts import counterparts
from loadlab.analysis.scalars import METRICS, scalars
from loadlab.model.config import spell
from loadlab.model.contrasts import Contrast, RunContrast
from loadlab.model.project_notes import NOTES, is_note, notes_of
from loadlab.stats.between_runs import shift
from loadlab.stats.intervals import median
from loadlab.stats.paired import ratio_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case
    from loadlab.model.findings import Findings

NEVER_THE_SAME = frozenset({"load_average_at_start", "load_average_before_run", "setting port"})


def contrast(before: Findings, after: Findings) -> RunContrast:
    """What `after` shows beside `before`, for the cases that are the same in all that both runs share."""
    ours, theirs = ({arm.case: arm for arm in run.arms if arm.case.competes} for run in (before, after))
    found = counterparts([arm.case for arm in ours.values()], [arm.case for arm in theirs.values()])
    tables = scalars(before.trials), scalars(after.trials)
    return RunContrast(
        before=before.run,
        after=after.run,
        contrasts=tuple(one for pair in found.pairs for one in _of_case(pair, tables)),
        arms=tuple((ours[first], theirs[second]) for first, second in found.pairs),
        changed=found.changed,
        differences=tuple(_differences(before, after)),
        only_before=tuple(case.id for case in found.only_before),
        only_after=tuple(case.id for case in found.only_after),
        counted_out=frozenset(
            first for first, second in found.pairs if _counted_out(before, first) or _counted_out(after, second)
        ),
    )


def _counted_out(run: Findings, case: Case) -> bool:
    return case in run.departures and run.departures[case].why.counted


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
                before=float(median(known[0])),
                after=float(median(known[1])),
                ratio=ratio_of(difference),
                low=ratio_of(interval.low) if interval else None,
                high=ratio_of(interval.high) if interval else None,
                trials=(first.size, second.size),
                silent=(_silent(first), _silent(second)),
            )


def _values(table: Scalars, metric: str, case: Case) -> NDArray[np.float64]:
    """Of all trials: 0 where nothing was served, and an infinite latency; NaN where it is not known."""
    return np.array(list(table.get((metric, case), {}).values()), dtype=np.float64)


def _silent(values: NDArray[np.float64]) -> int:
    return int(((values == 0) | np.isinf(values)).sum())


def _differences(before: Findings, after: Findings) -> Iterator[tuple[str, str, str]]:
    """Facts of the environment that are not the same, e.g. a version; some never are, and say nothing."""
    for section in {**before.environment, **after.environment}:
        ours, theirs = before.environment.get(section, {}), after.environment.get(section, {})
        for fact in {**ours, **theirs}:
            old, new = (spell(facts[fact]) if fact in facts else "absent" for facts in (ours, theirs))
            if old != new and fact not in NEVER_THE_SAME and not is_note(section, fact):
                yield f"{section}: {fact}", old, new
    noted, noted_later = notes_of(before.environment), notes_of(after.environment)
    for code in {**noted, **noted_later}:
        if (code in noted) != (code in noted_later):  # the words of a remark may change with loadlab
            yield f"{NOTES}: {code}", noted.get(code, "absent"), noted_later.get(code, "absent")
