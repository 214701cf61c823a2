"""What the analysis says: everything that a report may show, and nothing that it must compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlab.model.case import Case, Scalar
from loadlab.model.samples import Connections, CpuSeconds, State

Judgement = Literal["better", "worse", "equivalent", "inconclusive"]
RunState = Literal["complete", "incomplete"]
# Does keeping connections help, how noisy is the run (the A/A arm), does unlimited beat a finite age.
Question = Literal["keep", "noise", "unlimited"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A median over trials with its 95 % interval; `low` and `high` are None with too few trials for one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Percentiles:
    """Response times in seconds; None where there are too few samples for that percentile."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialSummary:
    """One trial in scalars, all of them over its window; throughput counts successful requests per second."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenOverTime:
    """Open connections of one case over time: median and extremes over its trials, at common instants (seconds)."""

    at: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """All complete trials of one case, summed up.

    `latency_seconds` are medians over trials of per-trial percentiles. `leaks` means that more connections were
    open than the mode can use at once; `refused` counts attempts to connect that PostgreSQL turned away.
    `expiry_observed` is False when the window was too short to see a connection reach CONN_MAX_AGE, None when
    there is nothing to expire. Arms without any complete trial have `trials` 0 and estimates of None.
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
    open_over_time: OpenOverTime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One case against its baseline, paired by block.

    `ratio` is case / baseline, `low` and `high` its 95 % interval. `p` is from an exact sign-flip test, `p_holm`
    after Holm's correction over all comparisons of the run's primary metric. `mde_ratio` is the smallest ratio
    (above 1) that this many blocks would have detected with power 0.8. `question` says what it is for.
    """

    case: str
    baseline: str
    metric: str
    ratio: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    blocks: int
    mde_ratio: float | None
    verdict: Judgement
    question: Question


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    strategy: str
    max_age: float | None
    conn_health_checks: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The answer for one server mode under one kind of client; `recommend` is None when inconclusive.

    `headline` is one sentence; `why` are the reasons with their figures; `settings` is a snippet to paste.
    """

    server: str
    keep_alive: bool
    scenario: str
    users: int
    recommend: Recommendation | None
    headline: str
    why: tuple[str, ...]
    settings: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Caveat:
    """Something a reader must know before trusting a figure: what it concerns, what it is, what to do."""

    subject: str
    text: str
    advice: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureRow:
    """One line of the error table: a kind of failure in one case, summed over its trials."""

    case: str
    kind: str
    count: int
    share: float
    example: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSummary:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """All of it. `answer` says in a few sentences whether 600 is a good default and unlimited a better one."""

    run: RunSummary
    environment: dict[str, dict[str, Scalar]]
    answer: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    failures: tuple[FailureRow, ...]
    caveats: tuple[Caveat, ...]
    trials: tuple[TrialSummary, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """One case in two runs, in one metric: medians before and after, and their ratio with its 95 % interval.

    No verdict: the runs were made at different times, and what changed on the machine in between is in the ratio too.
    """

    case: Case
    metric: str
    before: float
    after: float
    ratio: float
    low: float | None
    high: float | None
    trials: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContrast:
    """Two runs side by side: `differences` of their environments as (fact, before, after)."""

    before: RunSummary
    after: RunSummary
    contrasts: tuple[Contrast, ...]
    arms: tuple[tuple[Arm, Arm], ...]
    differences: tuple[tuple[str, str, str], ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
