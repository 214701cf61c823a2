"""What a watch has seen of a running project."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from loadlab.model.findings import Leak


class WatchedLeak(StrEnum):
    """Whether connections leak; all but the first two say why it cannot be told."""

    YES = "yes"
    NO = "no"
    UNUSED = "unused"
    BEGUN_ANEW = "begun_anew"
    TOO_FEW_OPENED = "too_few_opened"
    STILL_GROWING = "still_growing"

    @property
    def told(self) -> Leak:
        return "yes" if self is WatchedLeak.YES else "no" if self is WatchedLeak.NO else "cannot tell"


@dataclass(frozen=True, kw_only=True, slots=True)
class Age:
    """What the closed form expects of a CONN_MAX_AGE (None: unlimited)."""

    max_age: float | None
    reused: float
    opened_per_second: float
    connecting_seconds_per_second: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasObservation:
    """One alias over the whole watch: counts are increases, `open` are (first, highest, last).

    `holders` says who holds those that are open last, by `model.holders.Holder`. `leaked` is how many belong
    to threads that have ended (first, highest, last): at least so many where some holders are "unknown", as with an
    earlier loadlab, and None where all are.

    `requests` and `reused` are of requests alone. `units` has the other units of work, e.g. by "task_reused".
    `mean_hold_seconds` is how long a request holds its connection, where each is closed at the end of its request.
    `ages` reckon with what a connect took in the watch or, where it saw none, with `earlier_connect_seconds`: the mean
    since counting began.
    """

    seconds: float
    requests: int
    reused: int
    opened: int
    closed: dict[str, int]
    errors: dict[str, int]
    open: tuple[int, int, int]
    mean_connect_seconds: float | None
    earlier_connect_seconds: float | None
    mean_wait_seconds: float | None
    pool: dict[str, int]
    leak: WatchedLeak
    ages: tuple[Age, ...]
    units: dict[str, int] = field(default_factory=dict)
    mean_hold_seconds: float | None = None
    holders: dict[str, int] = field(default_factory=dict)
    leaked: tuple[int, int, int] | None = None

    @property
    def share_reused(self) -> float | None:
        return self.reused / self.requests if self.requests else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """All of a watch; `sessions` is the increase of PostgreSQL's own count, `difference` ours less theirs.

    `mean_response_seconds` is over all requests that were answered; None where the project does not time them.
    `invalid` says why there are no figures: several hosts or services answer `in_turn`. `aliases` is empty then.
    """

    readings: int
    gaps: int
    resets: int
    seconds: float
    aliases: dict[str, AliasObservation]
    sessions: int | None
    difference: int | None
    backends: int | None
    invalid: Literal["in_turn"] | None = None
    mean_response_seconds: float | None = None
