"""What a reader must know before trusting a figure, as codes and figures; `loadlab.report.prose.caveats` says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from loadlab.model.case import Case
from loadlab.model.counts import Mismatch


class CaveatKind(StrEnum):
    """Each with its own words. The names of a caveat's `figures` are those in the braces of its words."""

    BUSY_MACHINE = "busy_machine"
    PROJECT_NOTE = "project_note"
    NOT_RECONCILED = "not_reconciled"
    NOT_JUDGED = "not_judged"
    OTHER_TRAFFIC = "other_traffic"
    WORKER_ENDED = "worker_ended"
    TRIALS_MISSING = "trials_missing"
    CASE_NOT_MEASURED = "case_not_measured"
    CASE_INVALID = "case_invalid"
    TRIAL_NOT_COUNTED = "trial_not_counted"
    TRIAL_AGAINST_CASE = "trial_against_case"
    BLOCKS_MISSING = "blocks_missing"
    BLOCKS_TOO_FEW = "blocks_too_few"
    PAIRS_TOO_FEW = "pairs_too_few"
    NOISE_FLOOR = "noise_floor"
    REQUESTS_FAILED = "requests_failed"
    DATABASE_UNUSED = "database_unused"
    TRIALS_SILENT = "trials_silent"
    TRIALS_OUTPACED = "trials_outpaced"
    PAIRS_SILENT = "pairs_silent"
    MEDIANS_CONTRADICT = "medians_contradict"
    GENERATOR_BUSY = "generator_busy"
    PROXY_BUSY = "proxy_busy"
    STARTS_SKEWED = "starts_skewed"
    LONG_WAITS = "long_waits"
    USERS_IDLE = "users_idle"
    PERCENTILE_WITHHELD = "percentile_withheld"
    EXPIRY_UNSEEN = "expiry_unseen"
    LEFT_OUT = "left_out"
    LEFT_LEAKS = "left_leaks"
    LEFT_REFUSED = "left_refused"
    LEFT_DECIDED = "left_decided"
    LEFT_ALONE = "left_alone"
    CHANGED_MEANWHILE = "changed_meanwhile"
    NOT_SEALED = "not_sealed"
    DAMAGED = "damaged"
    DAMAGED_PLAN = "damaged_plan"
    SESSION_LOST = "session_lost"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialOf:
    """One trial, as a reader looks for it."""

    case: Case
    block: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Several:
    count: int
    of: Literal["trial", "case"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """Trials by their place in the schedule.

    >>> str(Orders(orders=(3,))), str(Orders(orders=(2, 0, 1, 7)))
    ('trial 3', 'trials 0–2, 7')
    """

    orders: tuple[int, ...]

    def __str__(self) -> str:
        if len(self.orders) < 2:  # noqa: PLR2004  one, or none yet
            return f"trial {self.orders[0]}" if self.orders else "no trial"
        runs: list[list[int]] = []
        for order in sorted(self.orders):
            if runs and order == runs[-1][-1] + 1:
                runs[-1].append(order)
            else:
                runs.append([order])
        return "trials " + ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


Subject: TypeAlias = Case | TrialOf | Several | Orders | str
Figure: TypeAlias = (
    float | str | Case | TrialOf | tuple[str, ...] | tuple[int, ...] | tuple[Case, ...] | tuple[Mismatch, ...] | None
)
Figures: TypeAlias = Mapping[str, Figure]


@dataclass(frozen=True, kw_only=True, slots=True)
class Caveat:
    """What it is, what it concerns, and its figures: times in seconds, shares of 1."""

    kind: CaveatKind
    subject: Subject
    figures: Figures = field(default_factory=dict)
