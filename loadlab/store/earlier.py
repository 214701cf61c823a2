"""Reads records of earlier versions as today's."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from loadlab.model.causes import Cause

if TYPE_CHECKING:
    from loadlab.model.samples import Failure, Trial

HTTP_STATUS: Final = re.compile(r"HTTP (\d{3})")
# How reasons began, or what they had in them, before records had codes.
UNANSWERED: Final = "no request was answered at all"
OUTPACED: Final = {"dropped": Cause.TASKS_DROPPED, "sent late": Cause.SENT_LATE}


def as_today(trial: Trial) -> Trial:
    """The same trial, with the codes that only its texts say."""
    return with_causes(with_statuses(trial))


def with_statuses(trial: Trial) -> Trial:
    """The same trial, with the HTTP status of each failure that is named after it."""
    failures = tuple(_with_status(one) for one in trial.failures)
    return trial if failures == trial.failures else replace(trial, failures=failures)


def _with_status(one: Failure) -> Failure:
    named = None if one.status else HTTP_STATUS.fullmatch(one.kind)
    return replace(one, status=int(named[1])) if named else one


def with_causes(trial: Trial) -> Trial:
    """The same trial, with the causes that only its reason says."""
    if trial.causes or trial.state == "complete":
        return trial
    if trial.state == "failed":
        causes = (Cause.UNANSWERED,) if trial.reason.startswith(UNANSWERED) else ()
        return replace(trial, causes=causes)
    outpaced = tuple(cause for words, cause in OUTPACED.items() if words in trial.reason)
    return replace(trial, causes=outpaced, by_target=trial.by_target or bool(outpaced))
