"""Keeps the exact response time of every request; Locust's own statistics round them."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

from loadlab.load.contract import LoadResult

if TYPE_CHECKING:
    from locust.event import Events

MS_PER_SECOND = 1000.0
EXAMPLE_LENGTH = 500


class Recorder:
    """Listens to Locust's request event; times in seconds since `start` was called."""

    def __init__(self) -> None:
        self.ended = array("d")
        self.response = array("d")
        self.failed = array("d")
        self.kinds: list[tuple[int, str]] = []  # (index of the request, kind), failed ones only
        self.examples: dict[str, str] = {}
        self._origin = 0.0

    def listen(self, events: Events) -> None:
        events.request.add_listener(self._record)  # type: ignore[no-untyped-call]

    def start(self) -> float:
        """Set the origin of time to now; returns it, on the clock that all processes of a machine share."""
        self._origin = time.monotonic()
        return self._origin

    def _record(
        self,
        response_time: float,
        exception: BaseException | None = None,
        response: Any = None,  # noqa: ANN401  Locust's response classes have no common base
        **_: object,
    ) -> None:
        self.ended.append(time.monotonic() - self._origin)
        self.response.append((response_time or 0.0) / MS_PER_SECOND)
        self.failed.append(0.0 if exception is None else 1.0)
        if exception is not None:
            kind = _kind(exception, response)
            self.kinds.append((len(self.failed) - 1, kind))
            self.examples.setdefault(kind, str(exception)[:EXAMPLE_LENGTH])

    def result(self, start: float, end: float) -> LoadResult:
        """All requests, and how often each kind of failure ended in [start, end)."""
        kinds = Counter(kind for index, kind in self.kinds if start <= self.ended[index] < end)
        return LoadResult(
            ended=self.ended,
            response=self.response,
            failed=self.failed,
            failures=dict(kinds),
            examples={kind: self.examples[kind] for kind in kinds},
        )


def _kind(exception: BaseException, response: Any) -> str:  # noqa: ANN401
    status = getattr(response, "status_code", 0)
    return f"HTTP {status}" if status else type(exception).__name__
