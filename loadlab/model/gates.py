"""Gates: what a build requires of a run, such as `p95 < 50 ms`, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.case import Case

Unit = Literal["", "s", "share", "/s"]
Operator = Literal["==", "<", "<=", ">", ">="]
Need = Literal["closed_load", "open_load", "served_here", "fault"]
EVERY: Final = "*"  # the glob of all cases


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A quantity that a gate may limit.

    A count is what happened in this run, and is decided at once. An estimate has an interval over the trials of a case
    or, beside a baseline, over blocks. `meaning` says how it is measured, `unit` is what its value is in (a share is
    written in % or as a number), and `noun` what it counts; of a watch `watched_noun`, where that is another. `needs`
    is what a plan must have for it. `watched`: `loadlab watch` has it too.
    """

    kind: Literal["count", "estimate"]
    meaning: str
    unit: Unit = ""
    needs: Need | None = None
    watched: bool = False
    noun: str = ""
    watched_noun: str = ""

    @property
    def estimated(self) -> bool:
        return self.kind == "estimate"


def _count(
    meaning: str, noun: str = "", *, unit: Unit = "", needs: Need | None = None, watched: bool = False
) -> Measure:
    return Measure(kind="count", meaning=meaning, noun=noun, unit=unit, needs=needs, watched=watched)


def _after(meaning: str, noun: str = "", unit: Unit = "") -> Measure:
    return Measure(kind="count", meaning=f"{meaning}, in the worst trial", noun=noun, unit=unit, needs="fault")


def _estimate(meaning: str, unit: Unit = "s", *, needs: Need | None = None) -> Measure:
    return Measure(kind="estimate", meaning=meaning, unit=unit, needs=needs)


# What a gate may name. The documentation's table is made of this one.
MEASURES: Final[Mapping[str, Measure]] = {
    "leaks": Measure(
        kind="count",
        meaning="trials in which connections leak (of a watch: aliases that leak)",
        noun="trial",
        watched=True,
        watched_noun="alias",
    ),
    "failed": _count("requests that failed, in the windows of all trials", "request"),
    "failed_share": _count("the share of requests that failed, in the windows of all trials", unit="share"),
    "refused": _count("connections refused because PostgreSQL or a pooler had no room", "connection", watched=True),
    "connect_errors": _count("attempts to connect that failed, for any reason", "attempt", watched=True),
    "opens_per_request": _count(
        "connections opened per request that used the database, in the windows of all trials", watched=True
    ),
    "reuse": _count(
        "the share of requests that found a connection open, in the windows of all trials",
        unit="share",
        watched=True,
    ),
    "open": _count("the most connections open at once, in any trial", "connection", watched=True),
    "left_open": _count("the most connections still open after the load, in any trial", "connection"),
    "inexact": _count("trials whose connection counts do not agree with PostgreSQL's", "trial"),
    "dropped": _count("tasks of an open load that were not started", "task", needs="open_load"),
    "failed_after": _after("requests that failed after the fault began", "request"),
    "lost_after": _after("connections that the fault ended", "connection"),
    "left_after": _after("connections still held at rest although the fault had ended their other side", "connection"),
    "opened_after": _after("connections opened after the fault began", "connection"),
    "opens_per_second_after": _after("connections opened within one second after the fault began", "connection"),
    "open_after": _after("connections open at once", "connection"),
    "first_success_after": _after("time from when the fault was in place until a request succeeded", unit="s"),
    "recovered_after": _after(
        "time from when the fault began until throughput was back within the noise of the control", unit="s"
    ),
    "throughput": _estimate("successful requests per second of a trial", "/s", needs="closed_load"),
    "p50": _estimate("the median latency of a trial"),
    "p95": _estimate("the 95th percentile of a trial's latency"),
    "p99": _estimate("the 99th percentile of a trial's latency"),
    "service_p50": _estimate("the median time from when a request was sent", needs="open_load"),
    "service_p95": _estimate("the 95th percentile of the time from when a request was sent", needs="open_load"),
    "service_p99": _estimate("the 99th percentile of the time from when a request was sent", needs="open_load"),
    "cpu_per_request": _estimate("CPU time of the application per request", needs="served_here"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """`value` in the quantity's base unit; `relative`: times the baseline's; `per_connection`: for each one lost."""

    value: float
    relative: bool = False
    per_connection: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """One expression, `text` as it was written, for the cases that match the glob `cases`.

    `quantity` is a key of MEASURES; with a `fault`, what that fault did.
    """

    text: str
    quantity: str
    operator: Operator
    limit: Limit
    fault: str | None = None
    cases: str = EVERY

    @property
    def measure(self) -> Measure:
        return MEASURES[self.quantity]

    @property
    def upper(self) -> bool:
        """Whether the limit bounds from above."""
        return self.operator in ("<", "<=")

    def meets(self, value: float) -> bool:
        """Whether a value is as the gate wants it."""
        limit = self.limit.value
        return {
            "==": value == limit,
            "<": value < limit,
            "<=": value <= limit,
            ">": value > limit,
            ">=": value >= limit,
        }[self.operator]

    def concerns(self, case: Case, name: str) -> bool:
        """Whether it is about this case, of which `name` is the short name.

        A gate on what a fault does is about the cases with that fault, every other gate about those without any. What
        the project is measured against is held to nothing.
        """
        if case.replica or not case.is_this_side or self.fault != (case.fault.name if case.fault else None):
            return False
        return matches(self.cases, case, name)


def matches(glob: str, case: Case, name: str) -> bool:
    """Whether a glob names the case: by its id, its short name, or its server mode."""
    return any(fnmatchcase(said, glob) for said in (case.id, name, case.server.name))


class GateOutcome(StrEnum):
    PASS = "pass"  # noqa: S105  no password
    FAIL = "fail"
    UNDECIDED = "undecided"


class Doubt(StrEnum):
    """Why a gate is undecided; the last four are of a watch."""

    INTERVAL = "interval"
    TOO_FEW_TRIALS = "too_few_trials"
    NOT_MEASURED = "not_measured"
    VALUE_UNKNOWN = "value_unknown"
    LEAK_UNKNOWN = "leak_unknown"
    NOISE_UNKNOWN = "noise_unknown"
    UNUSED = "unused"
    NO_ALIAS = "no_alias"
    BEGUN_ANEW = "begun_anew"
    STILL_GROWING = "still_growing"


@dataclass(frozen=True, kw_only=True, slots=True)
class GateResult:
    """A gate on one `case`; of a watch, on one `alias`.

    `value` is the quantity, or its ratio to the baseline's where the limit is relative; None where it was not measured.
    `low` and `high` are the ends of its interval, None for a count; an end that nothing bounds is infinite. `trials`
    or, beside a baseline, pairs of them are what it is made of; 0 for a count.
    """

    gate: Gate
    outcome: GateOutcome
    case: Case | None = None
    alias: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    trials: int = 0
    doubt: Doubt | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gates:
    """All gates of a run, and what each came to; `undecided_fails`: what cannot be told counts as a failure."""

    results: tuple[GateResult, ...] = ()
    undecided_fails: bool = False

    def having(self, outcome: GateOutcome) -> Sequence[GateResult]:
        return [one for one in self.results if one.outcome is outcome]

    def fails(self, one: GateResult) -> bool:
        return one.outcome is GateOutcome.FAIL or (self.undecided_fails and one.outcome is GateOutcome.UNDECIDED)

    @property
    def outcome(self) -> GateOutcome:
        """Of the build: a failure wins, and nothing passes beside what is undecided."""
        if any(map(self.fails, self.results)):
            return GateOutcome.FAIL
        return GateOutcome.UNDECIDED if self.having(GateOutcome.UNDECIDED) else GateOutcome.PASS
