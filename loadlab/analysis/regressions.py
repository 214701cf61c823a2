"""What is worse in the second of two runs, for a gate."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from loadlab.analysis.scalars import HIGHER_IS_BETTER
from loadlab.analysis.wording import spread, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.findings import Arm, Contrast, RunContrast


def regressions(contrast: RunContrast) -> tuple[list[str], list[str]]:
    """(what is worse, what cannot be told), each a line.

    Worse is a case that leaks and did not before, one that nothing succeeds in any more, and a primary metric of the
    first run whose whole 95 % interval is beyond the margin within which a difference counts as none. It cannot be told
    without a bounded interval, nor of a case that served nothing in a larger share of its later trials.
    """
    metric, margin = contrast.before.primary_metric, contrast.before.equivalence_margin
    found = {one.case: one for one in contrast.contrasts if one.metric == metric}
    worse: list[str] = []
    unknown: list[str] = []
    for before, after in contrast.arms:
        name = after.case.id
        worse += (f"{name}: {what}" for what in _counted(before, after))
        one = found.get(before.case)
        if one is None or one.low is None or one.high is None:
            unknown.append(f"{name}: too few trials for an interval of {metric}")
        elif _slower(one, margin):
            worse.append(f"{name}: {metric} {times(one.ratio)} ({spread(one.low, one.high)})")
        else:
            unknown += (f"{name}: {why}" for why in _doubt(one))
    return worse, unknown


def _counted(before: Arm, after: Arm) -> Iterator[str]:
    if after.leaks and not before.leaks:
        yield "leaks connections, and did not before"
    if _serves(before) and after.trials and not _serves(after):
        yield "no request succeeds any more"


def _doubt(one: Contrast) -> Iterator[str]:
    """Why a case whose interval is not beyond the margin may be worse all the same."""
    (before, after), (earlier, later) = one.silent, one.trials
    if after * earlier > before * later:
        yield f"nothing was served in {after} of {later} trials, and before in {before} of {earlier}"
    elif one.low == 0 and one.high == inf:
        yield f"too many trials served nothing or did not keep up with the load, so its {one.metric} is not known"


def _serves(arm: Arm) -> bool:
    return arm.requests > arm.failures


def _slower(one: Contrast, margin: float) -> bool:
    if one.low is None or one.high is None:
        return False
    return one.high < 1 - margin if one.metric in HIGHER_IS_BETTER else one.low > 1 + margin
