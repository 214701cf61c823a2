"""Why a trial is not complete, as codes."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Cause(StrEnum):
    """One thing that made a trial invalid, or failed."""

    GENERATOR_FAILED = "generator_failed"
    UNANSWERED = "unanswered"  # no request was answered at all
    LOAD_LOST = "load_lost"  # a load process ended
    GENERATOR_STOOD_STILL = "generator_stood_still"
    REQUESTS_NOT_KEPT = "requests_not_kept"
    GENERATOR_BUSY = "generator_busy"
    STARTS_SKEWED = "starts_skewed"
    USERS_IDLE = "users_idle"
    TASKS_DROPPED = "tasks_dropped"
    SENT_LATE = "sent_late"
    TARGET_STOOD_STILL = "target_stood_still"
    PROCESS_LOST = "process_lost"  # a process of the target, or between it and the lab
    LAB_STOOD_STILL = "lab_stood_still"
    NOT_OBSERVED = "not_observed"
    COUNTED_ANEW = "counted_anew"  # the counters of an external target began again
    DATABASE_LOST = "database_lost"
    POOLER_LOST = "pooler_lost"
    FAULT_NOT_APPLIED = "fault_not_applied"  # the fault that its case is about

    @property
    def by_target(self) -> bool:
        """Whether the target may have brought it about, where the load was answered."""
        return self in BY_TARGET


BY_TARGET: Final = frozenset(
    {Cause.TASKS_DROPPED, Cause.SENT_LATE, Cause.TARGET_STOOD_STILL, Cause.PROCESS_LOST},
)
