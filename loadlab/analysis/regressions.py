"""What is worse in the second of two runs, for a gate."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from loadlab.analysis.scalars import HIGHER_IS_BETTER
from loadlab.model.regressions import Regression, RegressionKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.caveats import Figures
    from loadlab.model.contrasts import Contrast, RunContrast
    from loadlab.model.findings import Arm


def regressions(contrast: RunContrast) -> tuple[tuple[Regression, ...], tuple[Regression, ...]]:
    """(what is worse, what cannot be told).

    Worse is a case that leaks and did not before, one that nothing succeeds in any more, and a primary metric of the
    first run whose whole 95 % interval is beyond the margin within which a difference counts as none. It cannot be told
    without a bounded interval, nor of a case that served nothing in a larger share of its later trials. A case
    that the first run rejects by its counts, and that left a run for that, is not asked about its speed.
    """
    metric, margin = contrast.before.primary_metric, contrast.before.equivalence_margin
    found = {one.case: one for one in contrast.contrasts if one.metric == metric}
    worse: list[Regression] = []
    unknown: list[Regression] = []
    for before, after in contrast.arms:
        worse += (Regression(kind=kind, case=after.case) for kind in _counted(before, after))
        if before.case in contrast.counted_out and (before.leaks or before.refused):
            continue
        one = found.get(before.case)
        if one is None or one.low is None or one.high is None:
            few = RegressionKind.TRIALS_TOO_FEW
            unknown.append(Regression(kind=few, case=after.case, figures={"metric": metric}))
        elif _slower(one, margin):
            figures: Figures = {"metric": metric, "ratio": one.ratio, "low": one.low, "high": one.high}
            worse.append(Regression(kind=RegressionKind.SLOWER, case=after.case, figures=figures))
        else:
            unknown += _doubt(after, one)
    return tuple(worse), tuple(unknown)


def _counted(before: Arm, after: Arm) -> Iterator[RegressionKind]:
    if after.leaks and not before.leaks:
        yield RegressionKind.LEAKS
    if _serves(before) and after.trials and not _serves(after):
        yield RegressionKind.SERVES_NOTHING


def _doubt(arm: Arm, one: Contrast) -> Iterator[Regression]:
    """Why a case whose interval is not beyond the margin may be worse all the same."""
    (before, after), (earlier, later) = one.silent, one.trials
    if after * earlier > before * later:
        figures = {"silent": after, "trials": later, "silent_before": before, "trials_before": earlier}
        yield Regression(kind=RegressionKind.SILENT_MORE_OFTEN, case=arm.case, figures=figures)
    elif one.low == 0 and one.high == inf:
        yield Regression(kind=RegressionKind.SPEED_UNKNOWN, case=arm.case, figures={"metric": one.metric})


def _serves(arm: Arm) -> bool:
    return arm.requests > arm.failures


def _slower(one: Contrast, margin: float) -> bool:
    if one.low is None or one.high is None:
        return False
    return one.high < 1 - margin if one.metric in HIGHER_IS_BETTER else one.low > 1 + margin
