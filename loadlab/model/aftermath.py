"""What a fault within the window did: to requests, to throughput and to connections."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Literal

from loadlab.model.case import Case
from loadlab.model.planned_fault import Bound, PlannedFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Back(StrEnum):
    """Whether throughput came back within the noise of the trials without the fault."""

    NEVER_LEFT = "never_left"
    BACK = "back"
    NOT_BACK = "not_back"  # within the trial
    UNTOLD = "untold"  # too little was counted without the fault, or after it


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """What documentation promises of a trial: at most `allowed` failed requests of those that it is about.

    `counted` are these. A request is not about it that failed because no connection could be opened.
    """

    bound: Bound
    allowed: int
    counted: int

    @property
    def kept(self) -> bool:
        return self.counted <= self.allowed


@dataclass(frozen=True, kw_only=True, slots=True)
class Aftermath:
    """One complete trial with a fault; times in seconds, `first_success` and `silence` as in its `Course`.

    `failed` requests ended after the fault began. `kinds` are those of the whole window, where `failed_before` are
    among them. Throughput is back within the noise `back_seconds` after the fault began: 0 where it never left it,
    infinite where it is not back within the trial, None where it cannot be told.

    `lost` are the connections that ended as a fault ends them, by reason; `left_behind` were held at rest although
    their other end was gone. `opened` followed the fault, at least `most_opened` of them within a second. `most_open`
    is that of the whole trial. `promise` is None where nothing is promised, or it cannot be judged.
    """

    block: int
    failed: int
    failed_before: int
    kinds: dict[str, int]
    first_success: float | None
    silence: float
    back: Back
    back_seconds: float | None
    lost: dict[str, int]
    left_behind: int
    opened: int
    most_opened: int
    most_open: int
    promise: Promise | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Over the trials of a case; infinite for what did not happen within a trial."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseAftermath:
    """All complete trials of one case with a fault, summed up; `unusable` trials were not complete.

    `kinds` and `lost` are summed over trials. Ranges are None without any trial that tells. `not_back` trials did not
    come back within the noise. `calm_most_opened` is `most_opened` of the trials without the fault. `promised` trials
    could be judged by the `bound`, and `broken` of them broke it.
    """

    case: Case
    bound: Bound | None
    trials: tuple[Aftermath, ...]
    unusable: int
    kinds: dict[str, int]
    lost: dict[str, int]
    failed: Range | None
    first_success: Range | None
    silence: Range | None
    back: Range | None
    not_back: int
    connections_lost: Range | None
    left_behind: Range | None
    opened: Range | None
    most_opened: Range | None
    calm_most_opened: Range | None
    most_open: Range | None
    promised: int
    broken: int


class Lesson(StrEnum):
    """What matters most of a fault over all server modes and strategies."""

    UNMEASURED = "unmeasured"
    NOTHING = "nothing"  # no request failed, and throughput stayed within the noise
    SLOWER = "slower"  # no request failed, and some way to handle connections was slowed
    CHECKS_SPARE = "checks_spare"  # where connections are kept, at most half as many fail with health checks
    KEEPING_SPARES = "keeping_spares"  # who closes after each request fails, and who keeps does not
    KEEPING_FAILS = "keeping_fails"  # who keeps fails, and who closes after each request does not
    ALL_FAIL = "all_fail"  # in every server mode, with every strategy
    SOME_FAIL = "some_fail"


Way = Literal["closing", "keeping", "checking", "other"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WayAftermath:
    """What a fault did with one way to handle connections: `low` to `high` requests failed in a trial.

    Throughput left the noise in `left` of `told` trials, and was back after `back_seconds`, the median of these:
    infinite where it was not within the trial, None where no trial tells. `strategy` is the name of a strategy other
    than CONN_MAX_AGE, and empty otherwise.
    """

    way: Way
    low: int
    high: int
    strategy: str = ""
    left: int = 0
    told: int = 0
    back_seconds: float | None = None

    @property
    def slowed(self) -> bool:
        """Whether throughput fell in more than half of the trials: in one of a few it also falls by chance."""
        return 2 * self.left > self.told


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultLesson:
    """One fault over all cases: in `not_back` of its `trials`, throughput did not come back within the noise.

    `back_seconds` is the longest that it took in the others; None where it can be told of none.
    """

    fault: PlannedFault
    lesson: Lesson
    ways: tuple[WayAftermath, ...]
    trials: int
    not_back: int
    back_seconds: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Aftermaths:
    """All faults of a run; both are empty without any."""

    cases: tuple[CaseAftermath, ...] = ()
    lessons: tuple[FaultLesson, ...] = ()


def finite(values: Iterable[float | None]) -> Iterator[float]:
    """Those that are known and not infinite."""
    return (value for value in values if value is not None and value != inf)
