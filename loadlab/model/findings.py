"""What the analysis says: everything that a report may show, and nothing that it must compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from loadlab.model.added_latency import LatencyEffect
from loadlab.model.aftermath import Aftermaths
from loadlab.model.answers import Answer
from loadlab.model.case import Case
from loadlab.model.causes import Cause
from loadlab.model.caveats import Caveat
from loadlab.model.comparison import Comparison
from loadlab.model.condition import Condition
from loadlab.model.config import Scalar
from loadlab.model.departure import Departure
from loadlab.model.fleet import Spread
from loadlab.model.gates import Gates
from loadlab.model.holding import BesideIdle, HoldingCosts
from loadlab.model.needs import Need
from loadlab.model.opens import Opens
from loadlab.model.over_an_hour import OverAnHour
from loadlab.model.percentiles import Percentiles
from loadlab.model.plan import Limits
from loadlab.model.reasons import Ground, Objection, Reason
from loadlab.model.samples import Connections, CpuSeconds, Recovery, State

RunState = Literal["complete", "incomplete"]
# Whether connections are kept that no later request can find; "cannot tell" where the counts are too small to show it.
Leak = Literal["yes", "no", "cannot tell"]
PROJECT: Final = "project"  # the section of a run's environment that is about a project of the user's own
# The place of a strategy in its group, as report.json spells it: "sound" is eligible, "unfit" is rejected.
Place = Literal["recommended", "runner_up", "baseline", "sound", "over_limit", "unfit", "unmeasured"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A median over trials with its 95 % interval; `low` and `high` are None with too few trials for one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialSummary:
    """One trial in scalars, all of them over its window; throughput counts successful requests per second.

    `opens_per_request` is opened ÷ (opened + reused), both read at the window's edges; None where nothing used the
    database in between. `leak` is about the whole trial.
    Under an open load `latency_seconds` count from when a request was due, `service_seconds` from when it was sent;
    `send_lag_p99_seconds` is how late requests were sent, `dropped` how many tasks were not started at all. `outpaced`
    and `unanswered` are as in a trial, and `causes` are the codes of what `reason` says. `spread` says how requests
    spread over processes and threads, where that was seen.
    """

    case: Case
    block: int
    order: int
    state: State
    reason: str
    window_seconds: float
    requests: int
    failures: int
    throughput: float
    latency_seconds: Percentiles
    connections: Connections
    peak: int
    opens_per_request: float | None
    cpu_seconds_per_request: CpuSeconds | None
    service_seconds: Percentiles | None = None
    send_lag_p99_seconds: float | None = None
    dropped: int = 0
    leak: Leak = "no"
    outpaced: bool = False
    unanswered: bool = False
    causes: tuple[Cause, ...] = ()
    quantities: dict[str, float] = field(default_factory=dict)
    spread: Spread | None = None

    @property
    def silent(self) -> bool:
        """Whether the target served nothing: no request succeeded in the window, by no fault of the lab's."""
        blameless = self.state == "complete" or self.outpaced or self.unanswered
        return blameless and self.requests == self.failures


@dataclass(frozen=True, kw_only=True, slots=True)
class OverTime:
    """A figure over time: median and extremes over trials or simulations, at common instants (seconds)."""

    at: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """How long requests waited for a connection that others held: at the project's own pool, or at a pooler outside.

    A pool counts its `waits` and their `mean_seconds`; a pooler shows the `longest_seconds` seen, and the most clients
    that were `waiting_at_once`. What the one does not tell is None.
    """

    at: Literal["pool", "pooler"]
    seconds_per_request: float
    waits: int | None = None
    mean_seconds: float | None = None
    longest_seconds: float | None = None
    waiting_at_once: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """What the latency of an open load would be if it counted from when requests were sent, and how late they were."""

    p50_seconds: Estimate | None
    p95_seconds: Estimate | None
    p99_seconds: Estimate | None
    send_lag_p99_seconds: Estimate | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """All complete trials of one case, summed up.

    `latency_seconds` are medians over trials of per-trial percentiles. `leak` says whether connections were kept that
    no request can find again, and `leaks` whether that is "yes". `usable` connections have a use, over all aliases that
    the trials used; None if the plan does not say. `collected` were closed by the garbage collector alone. `refused`
    counts attempts to connect that PostgreSQL turned away.
    `expiry_observed` is False when the window was too short to see a connection reach CONN_MAX_AGE, None when
    there is nothing to expire. Arms without any complete trial have `trials` 0 and estimates of None. `peak` and
    `left_open` are PostgreSQL's connections; with a pooler in between, `clients_peak` and `clients_left` are the
    project's to the pooler. `processes` serve; `held_per_process` is the peak for each of them, None with a pooler.
    `service` is there under an open load. `open_after_bursts` are the most over all trials that were open at rest after
    the window and after each burst of its quiet spells; empty without any. `quantities` are those of probes that have
    no other place here.
    """

    case: Case
    trials: int
    requests: int
    failures: int
    throughput: Estimate | None
    p50_seconds: Estimate | None
    p95_seconds: Estimate | None
    p99_seconds: Estimate | None
    opens_per_request: float | None
    reuse: float | None
    connect_seconds: float | None
    peak: int
    left_open: int
    leaks: bool
    refused: int
    connect_errors: dict[str, int]
    cpu_seconds_per_request: CpuSeconds | None
    exact_trials: int
    expiry_observed: bool | None
    open_over_time: OverTime | None
    processes: int | None = None
    held_per_process: float | None = None
    clients_peak: int | None = None
    clients_left: int | None = None
    waiting: Waiting | None = None
    service: Service | None = None
    recovery: Recovery | None = None
    leak: Leak = "no"
    usable: int | None = None
    collected: int = 0
    open_after_bursts: tuple[int, ...] = ()
    quantities: dict[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Snippet:
    """What to write into one file; `file` says which, `language` what it is written in."""

    file: str
    language: Literal["python", "ini", "sh"]
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """A strategy with its parameters as they should be set, and everything that must be written for it.

    `case` is the one that was measured. It may differ in health checks: what is kept is recommended with them.
    """

    strategy: str
    max_age: float | None
    conn_health_checks: bool
    parameters: dict[str, Scalar] = field(default_factory=dict)
    case: Case
    snippets: tuple[Snippet, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The place of one strategy in its group, why, what it would need in production, what is lost by it.

    Its figures are those of the arm and of the comparisons with the same `case`. `objection` is what speaks against it.
    """

    case: Case
    place: Place
    objection: Objection | None
    need: Need | None
    gives_up: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the run says for the `cases` of one `condition` without a strategy; `recommend` is None when inconclusive.

    `kind` says why it fell so, `figures` are those of its one sentence, `reasons` all others. `ranking` holds all
    strategies of the group, the recommended one first; `runner_up` is of another strategy, if any is proven better than
    the baseline.
    """

    condition: Condition
    cases: tuple[Case, ...]
    kind: Ground
    figures: tuple[Reason, ...]
    recommend: Recommendation | None
    reasons: tuple[Reason, ...]
    runner_up: Recommendation | None = None
    ranking: tuple[Standing, ...] = ()

    @property
    def settings(self) -> str:
        """Lines for a Django settings file; empty without a recommendation."""
        found = self.recommend.snippets if self.recommend else ()
        return next((snippet.text for snippet in found if snippet.file == "settings.py"), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A strategy that was not measured in a server mode, because it cannot work there."""

    server: str
    strategy: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureRow:
    """One line of the error table: a kind of failure in one case, summed over its trials.

    `unopened` are the connections that the target could not open, by kind: where a client saw a status alone, they say
    why. The most frequent kind comes first.
    """

    case: Case
    kind: str
    count: int
    share: float
    example: str
    unopened: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSummary:
    """What was run. `trials_invalid` were disturbed or not loaded as planned; `invalid_because` is the first reason.

    `damaged` are the files of its folder that are not what was written. From `min_blocks` on, cases could leave,
    and `trials_spared` were not needed.
    """

    id: str
    started: str
    seed: int
    blocks: int
    state: RunState
    trials_planned: int
    trials_done: int
    primary_metric: str
    equivalence_margin: float
    warmup_seconds: float
    window_seconds: float
    driver: str = "psycopg2"
    limits: Limits = field(default_factory=Limits)
    left_out: tuple[LeftOut, ...] = ()
    trials_invalid: int = 0
    invalid_because: str = ""
    damaged: tuple[str, ...] = ()
    min_blocks: int = 2
    trials_spared: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """All of it. `answer` says in a few sentences whether 600 is a good default and unlimited a better one.

    Where the run has other strategies, it says which of them to use. `added_latency` is empty for a run with one.
    `departures` are the cases that left before their last block. `opens` says where the time of an open goes; None
    where it was not measured, and `holding` what keeping one costs. `beside_idle` says what idle
    connections of others do to PostgreSQL's CPU. `over_an_hour` says what each age would do at the
    rate that was measured. `gates` are what a build requires.
    """

    run: RunSummary
    environment: dict[str, dict[str, Scalar]]
    answer: tuple[Answer, ...]
    verdicts: tuple[Verdict, ...]
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    failures: tuple[FailureRow, ...]
    caveats: tuple[Caveat, ...]
    trials: tuple[TrialSummary, ...]
    added_latency: tuple[LatencyEffect, ...] = ()
    departures: Mapping[Case, Departure] = field(default_factory=dict)
    opens: Opens | None = None
    holding: HoldingCosts | None = None
    beside_idle: tuple[BesideIdle, ...] = ()
    over_an_hour: tuple[OverAnHour, ...] = ()
    aftermaths: Aftermaths = field(default_factory=Aftermaths)
    gates: Gates = field(default_factory=Gates)

    @property
    def between_sides(self) -> tuple[Comparison, ...]:
        """This side of the run against the other, in the primary metric; empty in a run without another."""
        primary = self.run.primary_metric
        return tuple(one for one in self.comparisons if one.question == "side" and one.metric == primary)

    @property
    def other_side(self) -> str:
        """The name of the other side; empty in a run without another."""
        return next((one.baseline.side for one in self.between_sides), "")
