"""What is worse in the second of two runs, or cannot be told, as codes; `loadlab.report.prose.regressions` says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from loadlab.model.case import Case
from loadlab.model.caveats import Figures


class RegressionKind(StrEnum):
    LEAKS = "leaks"
    SERVES_NOTHING = "serves_nothing"
    SLOWER = "slower"
    TRIALS_TOO_FEW = "trials_too_few"
    SILENT_MORE_OFTEN = "silent_more_often"
    SPEED_UNKNOWN = "speed_unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Regression:
    """Of one case, as the second run has it."""

    kind: RegressionKind
    case: Case
    figures: Figures = field(default_factory=dict)
