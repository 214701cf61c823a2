"""Percentiles of response times to the microsecond, for each name; Locust's own are of rounded times."""

from __future__ import annotations

import csv
import io
from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PERCENTILES: Final = (50.0, 66.0, 75.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.9, 99.99, 100.0)
MICROSECONDS_PER_MS: Final = 1000
ALL: Final = ("", "Aggregated")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class ExactPercentiles:
    """Counts every response time; its memory grows with the number of different times, not of requests."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counter[int]] = {}

    def add(self, request_type: str, name: str, response_time: float | None, **_: Any) -> None:  # noqa: ANN401
        """As Locust's request event calls it, with milliseconds."""
        counts = self._counts.get((request_type, name))
        if counts is None:
            counts = self._counts[request_type, name] = Counter()
        counts[round((response_time or 0.0) * MICROSECONDS_PER_MS)] += 1

    def clear(self, **_: Any) -> None:  # noqa: ANN401  as Locust's events call it
        self._counts.clear()

    def names(self) -> list[tuple[str, str]]:
        """Type and name of all requests so far."""
        return sorted(self._counts)

    def count(self, request_type: str, name: str) -> int:
        return self._of(request_type, name).total()

    def milliseconds(self, request_type: str, name: str, wanted: Sequence[float]) -> list[float]:
        """The percentiles of one name, or of `ALL`; none without any request."""
        counts = self._of(request_type, name)
        return [value / MICROSECONDS_PER_MS for value in percentiles(counts, wanted)] if counts else []

    def to_csv(self) -> str:
        """One row for each name and one for all, in milliseconds."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["Type", "Name", "Request Count", *(f"{percentile:g}%" for percentile in PERCENTILES)])
        for of in (*self.names(), ALL):
            figures = [f"{value:.3f}" for value in self.milliseconds(*of, PERCENTILES)]
            writer.writerow([*map(cell, of), self.count(*of), *(figures or ["N/A"] * len(PERCENTILES))])
        return text.getvalue()

    def _of(self, request_type: str, name: str) -> Counter[int]:
        if (request_type, name) == ALL:
            return sum(self._counts.values(), Counter())
        return self._counts.get((request_type, name), Counter())


def percentiles(counts: Mapping[int, int], wanted: Sequence[float]) -> list[int]:
    """For each, the least value that at least so many per cent of all are not above; `wanted` ascends.

    >>> percentiles({10: 98, 20: 1, 30: 1}, [50, 98, 98.5, 100])
    [10, 10, 20, 30]
    """
    total = sum(counts.values())
    found: list[int] = []
    seen = 0
    values = iter(sorted(counts.items()))
    value = 0
    for percentile in wanted:
        # Rounded first: in floats, 99.9 per cent of 1000 is a little more than 999.
        rank = max(1, ceil(round(total * percentile / 100, 6)))
        while seen < rank:
            value, count = next(values)
            seen += count
        found.append(value)
    return found


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula.

    >>> cell("=1+1"), cell("/entries/")
    ("'=1+1", '/entries/')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text
