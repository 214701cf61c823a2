"""What happened to a trial in a stretch of time, from two samples of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Final

from loadlab.model.growth import more
from loadlab.model.metrics import RESPONSE_SECONDS
from loadlab.probes import quantities

if TYPE_CHECKING:
    from loadlab.store.progress import Sampled


GAUGES: Final = ("peak", "max_connections", "pooler_clients", "pooler_servers")  # besides those that probes read


def is_gauge(name: str) -> bool:
    """Whether a value goes up and down; counters are drawn by how fast they grow."""
    known = quantities().get(name)
    return name in GAUGES if known is None else known.kind == "gauge"


@dataclass(kw_only=True, slots=True)
class Bin:
    """A stretch of time: by how much each counter grew in `seconds`, and the highest value of each gauge."""

    trial: int
    seconds: float = 0.0
    grown: dict[str, float] = field(default_factory=dict)
    highest: dict[str, float] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(RESPONSE_SECONDS) + 1))

    def add(self, other: Bin) -> None:
        self.trial = other.trial
        self.seconds += other.seconds
        for name, value in other.grown.items():
            self.grown[name] = self.grown.get(name, 0.0) + value
        for name, value in other.highest.items():
            self.highest[name] = max(value, self.highest.get(name, value))
        self.buckets = [ours + theirs for ours, theirs in zip(self.buckets, other.buckets, strict=True)]

    def rate(self, name: str) -> float | None:
        """A second; None while nothing tells."""
        return self.grown.get(name, 0.0) / self.seconds if self.seconds else None

    def value(self, quantity: str) -> float | None:
        """The highest of a gauge, and of a counter how much it grew a second; None while nothing tells."""
        if is_gauge(quantity):
            return self.highest.get(quantity)
        return self.rate(quantity) if quantity in self.grown else None

    def reuse(self) -> float | None:
        """The share of requests that found a connection open, of those that used one."""
        reused, opened = self.grown.get("reused", 0.0), self.grown.get("opened", 0.0)
        return reused / (reused + opened) if reused + opened else None


def between(earlier: Sampled | None, later: Sampled) -> Bin:
    """What happened between two looks at the same trial; of the first look only what it shows of that moment."""
    values = {name: value for name, value in later.values.items() if isfinite(value)}
    bin_ = Bin(trial=later.order, highest={name: value for name, value in values.items() if is_gauge(name)})
    if earlier is None or len(later.response_buckets) != len(bin_.buckets):
        return bin_
    bin_.seconds = max(0.0, later.at - earlier.at)
    for name, value in values.items():
        before = earlier.values.get(name, 0.0)
        if not is_gauge(name) and isfinite(before):
            bin_.grown[name] = more(before, value)
    pairs = zip(later.response_buckets, earlier.response_buckets, strict=True)
    bin_.buckets = [int(more(before, after)) for after, before in pairs]
    return bin_
