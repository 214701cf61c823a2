"""Samples over time, in a bounded number of bins."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final

from loadlab.live.reading.bins import Bin
from loadlab.model.holders import by_holder
from loadlab.model.metrics import RESPONSE_SECONDS, CloseReason
from loadlab.probes import quantities
from loadlab.stats.quantiles import bucket_quantile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


MOST_MARKS: Final = 100
MOST_BINS: Final = 600  # about one for each second pixel of a wide chart
BIN_SECONDS: Final = 0.5
# A percentile is shown of as many requests as it takes to mean something: those of earlier bins help out.
FEWEST: Final = {0.5: 20, 0.99: 299}
REASONS: Final = tuple(reason.name.lower() for reason in CloseReason)
HOLDERS: Final = tuple(by_holder({}))
QUANTITIES: Final = tuple(name for name, one in quantities().items() if not (one.placed and one.metric is None))
COLUMNS: Final = (
    "at",
    "trial",
    "requests",
    "failures",
    "p50",
    "p99",
    "open",
    "opened",
    "reuse",
    *(f"closed_{reason}" for reason in REASONS),
    "pooler_clients",
    "pooler_servers",
    *HOLDERS,
    *QUANTITIES,
)
Row = list[float | None]


@dataclass(slots=True)
class Mark:
    """A fault: in place from `start` to `end`, in the seconds of the timeline; None while it lasts."""

    start: float
    words: str
    end: float | None = None


class Timeline:
    """Bins of equal width from `origin` on; when there are too many, each two become one.

    Faults are marked; of many, the latest.
    """

    def __init__(self, origin: float) -> None:
        self.origin = origin
        self.width = BIN_SECONDS
        self._bins: dict[int, Bin] = {}
        self._last = 0
        self._marks: deque[Mark] = deque(maxlen=MOST_MARKS)
        self.changes = 0

    @property
    def generation(self) -> str:
        """The same as long as rows that were told once stay as they are, but for the last."""
        return f"{self.origin:.2f}x{self.width:g}"

    def __len__(self) -> int:
        return len(self._bins)

    def add(self, at: float, seen: Bin) -> None:
        index = max(self._last, int((at - self.origin) / self.width))  # a clock that is set back makes no way back
        if self._belongs_to_last(seen):
            index = self._last
        self._bins.setdefault(index, Bin(trial=seen.trial)).add(seen)
        self.changes += 1
        while index >= MOST_BINS:
            index //= 2
            self._halve()
        self._last = index

    def mark(self, at: float, words: str) -> None:
        """A fault is in place."""
        self._marks.append(Mark(at - self.origin, words))
        self.changes += 1

    def lift(self, at: float) -> None:
        """The latest fault is over."""
        if self._marks and self._marks[-1].end is None:
            self._marks[-1].end = at - self.origin
            self.changes += 1

    def marks(self) -> list[tuple[float, float | None, str]]:
        """Start, end and words of each."""
        return [(one.start, one.end, one.words) for one in self._marks]

    def _belongs_to_last(self, seen: Bin) -> bool:
        """A very short stretch joins the last bin: what had piled up before it would look like a burst."""
        last = self._bins.get(self._last)
        return last is not None and last.trial == seen.trial and 0 < seen.seconds < BIN_SECONDS / 2

    def _halve(self) -> None:
        self.width *= 2
        bins: dict[int, Bin] = {}
        for index, each in self._bins.items():
            bins.setdefault(index // 2, Bin(trial=each.trial)).add(each)
        self._bins = bins

    def rows(self, start: int = 0) -> list[Row]:
        """As `COLUMNS` names them, from the `start`-th on; rates are a second, CPU is in cores, times are seconds."""
        bins = list(self._bins.items())
        return [self._row(bins, position) for position in range(start, len(bins))]

    def _row(self, bins: Sequence[tuple[int, Bin]], position: int) -> Row:
        index, bin_ = bins[position]
        figures = (
            bin_.rate("requests"),
            bin_.rate("failures"),
            *(_percentile(bins, position, share) for share in FEWEST),
            bin_.highest.get("open"),
            bin_.rate("opened"),
            bin_.reuse(),
            *(bin_.rate(f"closed_{reason}") for reason in REASONS),
            bin_.highest.get("pooler_clients"),
            bin_.highest.get("pooler_servers"),
            *map(bin_.highest.get, HOLDERS),
            *map(bin_.value, QUANTITIES),
        )
        return [index * self.width, bin_.trial, *(_rounded(one) for one in figures)]


def _rounded(value: float | None) -> float | None:
    return float(f"{value:.4g}") if value is not None and isfinite(value) else None


def _percentile(bins: Sequence[tuple[int, Bin]], position: int, share: float) -> float | None:
    """Of the latest requests of the same trial up to that bin, as many as it takes."""
    last = bins[position][1]
    if not any(last.buckets):
        return None
    counts = [0] * len(last.buckets)
    for _, bin_ in _backwards(bins, position):
        if bin_.trial != last.trial:
            return None
        counts = [ours + theirs for ours, theirs in zip(counts, bin_.buckets, strict=True)]
        if sum(counts) >= FEWEST[share]:
            return bucket_quantile(counts, RESPONSE_SECONDS, share)
    return None


def _backwards(bins: Sequence[tuple[int, Bin]], position: int) -> Iterator[tuple[int, Bin]]:
    return (bins[each] for each in range(position, -1, -1))
