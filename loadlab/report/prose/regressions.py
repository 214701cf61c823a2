"""Says what is worse in the second of two runs, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.regressions import RegressionKind
from loadlab.report.prose.templates import Template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.case import Case
    from loadlab.model.regressions import Regression

WORDS: Final[Mapping[RegressionKind, str]] = {
    RegressionKind.LEAKS: "leaks connections, and did not before",
    RegressionKind.SERVES_NOTHING: "no request succeeds any more",
    RegressionKind.SLOWER: "{metric:metric} {ratio:ratio} ({interval})",
    RegressionKind.TRIALS_TOO_FEW: "too few trials for an interval of the {metric:metric}",
    RegressionKind.SILENT_MORE_OFTEN: "nothing was served in {silent} of {trials:plural trial}, and in {silent_before} "
    "of {trials_before} before",
    RegressionKind.SPEED_UNKNOWN: "too many trials served nothing or did not keep up with the load, so its "
    "{metric:metric} is not known",
}


def said(one: Regression) -> str:
    return f"{_id(one.case)}: {Template(_id).filled(WORDS[one.kind], one.figures)}"


def _id(case: Case) -> str:
    return case.id
