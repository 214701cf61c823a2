"""The request counts of a running load, which each load process writes to a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from loadlab.model.metrics import RESPONSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from loadlab.model.requests import Requests


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestCounts:
    """Requests, failures, the sum of response times in seconds, and requests per histogram bucket.

    The buckets are those of `RESPONSE_SECONDS`, not cumulated; the last one has no upper bound.
    """

    requests: int = 0
    failures: int = 0
    seconds: float = 0.0
    buckets: tuple[int, ...] = (0,) * (len(RESPONSE_SECONDS) + 1)

    def __add__(self, other: RequestCounts) -> RequestCounts:
        return RequestCounts(
            requests=self.requests + other.requests,
            failures=self.failures + other.failures,
            seconds=self.seconds + other.seconds,
            buckets=tuple(map(sum, zip(self.buckets, other.buckets, strict=True))),
        )


def count_requests(response: Sequence[float], failed: Sequence[float]) -> RequestCounts:
    """The counts of requests with these response times in seconds; `failed` holds 1.0 for each that did.

    >>> counts = count_requests([0.001, 0.0011, 100.0], [0.0, 0.0, 1.0])
    >>> counts.requests, counts.failures, counts.buckets[-1]
    (3, 1, 1)
    >>> [(RESPONSE_SECONDS[n], count) for n, count in enumerate(counts.buckets[:-1]) if count]
    [(0.001, 1), (0.00125, 1)]
    """
    times = np.asarray(response, dtype=np.float64)
    found = np.bincount(np.searchsorted(RESPONSE_SECONDS, times), minlength=len(RESPONSE_SECONDS) + 1)
    return RequestCounts(
        requests=times.size,
        failures=int(np.sum(np.asarray(failed, dtype=np.float64))),
        seconds=float(times.sum()),
        buckets=tuple(found.tolist()),
    )


class CountsWriter:
    """Counts the requests that were added since its last call, so that a request itself costs nothing more.

    The columns of `requests` grow while a load runs: first a response time, then whether the request failed.
    """

    def __init__(self, requests: Requests, path: Path) -> None:
        self._requests = requests
        self._path = path
        self._counts = RequestCounts()

    def write(self) -> None:
        """Replace the file by the counts so far, atomically."""
        seen = self._counts.requests
        # Copies: a column that numpy looks into cannot grow meanwhile. The shortest one is what is complete.
        failed = self._requests.failed[seen:]
        self._counts += count_requests(self._requests.response[seen : seen + len(failed)], failed)
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self._counts)))
        draft.replace(self._path)


def read_counts(paths: Iterable[Path]) -> RequestCounts:
    """The sum over all load processes; a process without a file counts as zero."""
    return sum(map(_read, paths), RequestCounts())


def _read(path: Path) -> RequestCounts:
    try:
        fields = json.loads(path.read_text())
    except FileNotFoundError:
        return RequestCounts()
    return RequestCounts(**fields | {"buckets": tuple(fields["buckets"])})
