"""What added latency does to the strategies of a run: from which one on each of them pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlab.model.case import Case
from loadlab.model.comparison import Judgement
from loadlab.model.condition import Condition
from loadlab.model.config import Config

# Whether a strategy pays: with no added latency that was measured, from some on, or with each.
LatencyOutcome = Literal["not_measured", "rejected", "not_proven", "from", "everywhere"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AtLatency:
    """A strategy against CONN_MAX_AGE = 0 with one added latency; `sound` as for a recommendation."""

    round_trip_ms: float
    case: Case
    ratio: float | None
    low: float | None
    high: float | None
    verdict: Judgement
    sound: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class OverLatency:
    """One strategy over all added latencies: from `pays_from_ms` on it is proven better with each of them."""

    strategy: Config
    points: tuple[AtLatency, ...]
    pays_from_ms: float | None
    outcome: LatencyOutcome


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyEffect:
    """What added latency does in one `condition`, which is without a strategy and an added latency.

    `recommended` is the case per added latency, None where the evidence carries none.
    """

    condition: Condition
    round_trips_ms: tuple[float, ...]
    strategies: tuple[OverLatency, ...]
    recommended: tuple[Case | None, ...]
