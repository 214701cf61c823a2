"""What the analysis found, as codes and figures: a kind, the cases it is about, and numbers. Reports make sentences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.comparison import Comparison
    from loadlab.model.findings import Leak, Waiting
    from loadlab.model.needs import Need


# What unlimited is against a finite age.
Outcome = Literal["better", "worse", "equivalent", "inconclusive", "leaks", "silent"]


class Ground(StrEnum):
    """Why a verdict fell as it did."""

    FASTER = "faster"  # a kept connection is proven better
    FITS = "fits"  # closing after each request is too much for production, and this is as good
    NO_GAIN = "no_gain"  # every eligible way of keeping connections is equivalent or worse
    ALL_REJECTED = "all_rejected"  # every way of keeping connections is ruled out
    NOTHING_KEPT = "nothing_kept"  # no case keeps connections
    NO_BASELINE = "no_baseline"  # no complete trial with CONN_MAX_AGE = 0 to compare with
    BASELINE_REJECTED = "baseline_rejected"  # closing after each request is ruled out too
    ALL_FAILED = "all_failed"  # no request succeeded
    TOO_FEW_BLOCKS = "too_few_blocks"
    LEAK_UNKNOWN = "leak_unknown"  # what is better opened too few connections to tell whether it leaks
    SEEN_ONCE = "seen_once"  # what rules out kept connections was seen in one trial only
    UNPROVEN = "unproven"  # the comparisons are inconclusive


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A `kind`, which report.json names, and its figures, which are the fields of each kind."""

    kind: ClassVar[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Objection(Finding):
    """Why a case may not be recommended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unmeasured(Objection):
    """No trial is complete."""

    kind: ClassVar[str] = "unmeasured"


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaks(Objection):
    """More connections are `held` than are `usable`; else the garbage collector had to close `collected` of them.

    `bursts` are the connections open at rest after each burst, where quiet spells left more and more.
    """

    kind: ClassVar[str] = "leaks"
    held: int
    usable: int | None
    collected: int = 0
    bursts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused(Objection):
    """PostgreSQL, or a pooler, refused some attempts to connect."""

    kind: ClassVar[str] = "refused"
    attempts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Silent(Objection):
    """It served nothing in some of its `tried` trials, and its baseline served something in those blocks."""

    kind: ClassVar[str] = "silent"
    trials: int
    tried: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Fails(Objection):
    """A larger share of requests failed than with the baseline."""

    kind: ClassVar[str] = "fails"
    share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakUnknown(Objection):
    """Too few connections were opened to tell whether it leaks."""

    kind: ClassVar[str] = "leak_unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class OverLimit(Objection):
    """Production's PostgreSQL has no room for it."""

    kind: ClassVar[str] = "over_limit"
    need: Need


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason(Finding):
    """One of the reasons for a verdict."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Speed(Reason):
    """A case against its baseline in the primary metric; it served nothing in `silent` of its `tried` trials.

    `comparison` is None where no block has both.
    """

    kind: ClassVar[str] = "speed"
    case: Case
    comparison: Comparison | None
    silent: int
    tried: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherMetrics(Reason):
    """The same in the other metrics, which are not judged."""

    kind: ClassVar[str] = "other_metrics"
    case: Case
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Held(Reason):
    """The connections of a case: the most at once and those left at rest, of those that are usable.

    With a pooler in between, `clients_*` are the project's, and `peak` and `left_open` the pooler's in PostgreSQL.
    """

    kind: ClassVar[str] = "connections"
    case: Case
    peak: int
    left_open: int
    usable: int | None
    leak: Leak
    refused: int
    clients_peak: int | None
    clients_left: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed(Reason):
    """Some requests of a case failed."""

    kind: ClassVar[str] = "failed"
    case: Case
    failures: int
    requests: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NoRequests(Reason):
    """No request of a case ended in a window."""

    kind: ClassVar[str] = "no_requests"
    case: Case


@dataclass(frozen=True, kw_only=True, slots=True)
class SilentTrials(Reason):
    """No request ended in the window of some trials."""

    kind: ClassVar[str] = "silent_trials"
    case: Case
    trials: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NoneFailed(Reason):
    """No request of these cases failed; `upper_bound` is the largest share that may have gone unseen, at 95 %."""

    kind: ClassVar[str] = "none_failed"
    cases: tuple[Case, ...]
    requests: int
    upper_bound: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CpuPerRequest(Reason):
    """CPU seconds per request, of a case and its baseline; None for a database on another machine."""

    kind: ClassVar[str] = "cpu"
    case: Case
    application: float
    baseline_application: float
    database: float | None
    baseline_database: float | None
    pooler: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Reuse(Reason):
    """The share of requests that reused a connection, and the mean time to open one."""

    kind: ClassVar[str] = "reuse"
    case: Case
    share: float
    connect_seconds: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Expiry(Reason):
    """Whether the window was long enough, `ages` times CONN_MAX_AGE, to see connections expire."""

    kind: ClassVar[str] = "expiry"
    case: Case
    observed: bool
    ages: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedForm(Reason):
    """The reuse that CONN_MAX_AGE gives at `rate` requests a second per connection, and ages that give `wanted`.

    `enough_seconds` is the age that gives it at the measured rate, `enough_at_one` at one request a second.
    """

    kind: ClassVar[str] = "closed_form"
    case: Case
    rate: float
    reuse: float
    wanted: float
    enough_seconds: float
    enough_at_one: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BesideUnlimited(Reason):
    """Unlimited against the finite age of `case`; a leak or a silent trial overrules the comparison."""

    kind: ClassVar[str] = "unlimited"
    case: Case
    comparison: Comparison
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthChecks(Reason):
    """What checking each connection before use costs: the ratio to the same age without checks.

    `case` is the one with checks, None where none was measured; the ratio is None where none was without.
    """

    kind: ClassVar[str] = "health_checks"
    case: Case | None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Preferred(Reason):
    """Why `case` was taken of so many that are `better`: it has the largest gain, or is simpler than the `best`."""

    kind: ClassVar[str] = "preferred"
    case: Case
    better: int
    best: Case
    best_ratio: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class InProduction(Reason):
    """The connections that a case needs in production."""

    kind: ClassVar[str] = "in_production"
    case: Case
    need: Need


@dataclass(frozen=True, kw_only=True, slots=True)
class Waits(Reason):
    """How long requests waited for a connection."""

    kind: ClassVar[str] = "waits"
    case: Case
    waiting: Waiting


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedObjection(Reason):
    """What speaks against some cases, the same for all of them."""

    kind: ClassVar[str] = "against"
    cases: tuple[Case, ...]
    objection: Objection


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain(Reason):
    """What the recommended case gains, and how many connections it holds; `pooled` are those of a pooler."""

    kind: ClassVar[str] = "gain"
    case: Case
    comparison: Comparison | None
    connections: int
    pooled: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Harm(Reason):
    """What kept connections do in the worst `case`: they leak, are refused, serve nothing or let requests fail."""

    kind: ClassVar[str] = "harm"
    case: Case
    effect: Literal["leak", "refused", "silent", "fail"]
    leak: Leaks | None
    refused: int
    silent_trials: int
    failures: int
    requests: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TooFewBlocks(Reason):
    """The complete blocks, and those that a verdict takes with so many `comparisons`."""

    kind: ClassVar[str] = "too_few_blocks"
    blocks: int
    needed: int
    comparisons: int
