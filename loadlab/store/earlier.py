"""Reads records of earlier versions as today's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from loadlab.model.causes import Cause

if TYPE_CHECKING:
    from loadlab.model.samples import Trial

# How reasons began, or what they had in them, before records had codes.
UNANSWERED: Final = "no request was answered at all"
OUTPACED: Final = {"dropped": Cause.TASKS_DROPPED, "sent late": Cause.SENT_LATE}


def with_causes(trial: Trial) -> Trial:
    """The same trial, with the causes that only its reason says."""
    if trial.causes or trial.state == "complete":
        return trial
    if trial.state == "failed":
        causes = (Cause.UNANSWERED,) if trial.reason.startswith(UNANSWERED) else ()
        return replace(trial, causes=causes)
    outpaced = tuple(cause for words, cause in OUTPACED.items() if words in trial.reason)
    return replace(trial, causes=outpaced, by_target=trial.by_target or bool(outpaced))
