"""Records the exact response time of every request; Locust's own statistics round them."""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from dataclasses import replace
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Final

import gevent
import numpy as np
import requests

from loadlab.load.generator.contract import LoadResult
from loadlab.load.locust_plugins.pacing import sending
from loadlab.model.requests import Requests
from loadlab.model.window import deciding_instants

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locust.event import Events
    from numpy.typing import NDArray

    from loadlab.load.locust_plugins.pacing import Arrival
    from loadlab.model.window import Window

MS_PER_SECOND = 1000.0
EXAMPLE_LENGTH = 500
MOST_REQUESTS: Final = 4_000_000  # 160 MB under an open load; what comes after that is counted and not kept
NO_ANSWER: Final = "no answer"
TIMEOUTS: Final = (TimeoutError, gevent.Timeout, requests.exceptions.Timeout)  # of Locust's clients, and of ours
# A request that a closed load leaves behind has no response if it is older than all of these; else it is under way.
OLD_SECONDS: Final = 1.0  # or half a shorter window: a busy machine alone delays a fast response that long
OLD_BESIDE_P99: Final = 2.0  # a single slow response says little of the others,
OLD_BESIDE_LONGEST: Final = 1.25  # but a kind of request that is always slow must not count as hung


class Recorder:
    """Listens to Locust's request event; times in seconds since the origin that `start` was given.

    `paced` says that the users are, so a response time counts from the instant when its request was due. The columns of
    `requests` grow while the load runs.
    """

    def __init__(self, *, paced: bool = False, most: int = MOST_REQUESTS) -> None:
        self.ended = array("d")
        self.response = array("d")
        self.failed = array("d")
        self.due = array("d")
        self.sent = array("d")
        self.unkept = 0
        self.under_way = 0
        self.no_answer = array("d")  # indexes of requests
        self.requests = Requests(
            ended=self.ended,
            response=self.response,
            failed=self.failed,
            due=self.due,
            sent=self.sent,
            no_answer=self.no_answer,
        )
        self.kinds: defaultdict[str, array[int]] = defaultdict(lambda: array("L"))  # kind → indexes of its requests
        self.raised: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))  # kind → when a task raised it
        self.examples: dict[str, str] = {}
        self.statuses: dict[str, int] = {}  # kind → HTTP status, where it has one
        self.origin = 0.0
        self._paced = paced
        self._most = most

    def listen(self, events: Events) -> None:
        events.request.add_listener(self._record)  # type: ignore[no-untyped-call]
        events.user_error.add_listener(self._raise)  # type: ignore[no-untyped-call]

    def start(self, origin: float) -> None:
        """Set the origin of time, on the monotonic clock, which all processes of a machine share."""
        self.origin = origin

    def _record(
        self,
        response_time: float,
        exception: BaseException | None = None,
        response: Any = None,  # noqa: ANN401  Locust's response classes have no common base
        start_time: float | None = None,
        **_: object,
    ) -> None:
        now = time.monotonic()
        service = (response_time or 0.0) / MS_PER_SECOND
        # First of all: it is what tells the first request of a task from the others.
        due, sent = sending(now, service, start_time) if self._paced else (0.0, 0.0)
        if len(self.ended) >= self._most:
            self.unkept += 1
            return
        if self._paced:
            self._place(due, sent, service)
        else:
            self.ended.append(now - self.origin)
            self.response.append(service)
        self.failed.append(0.0 if exception is None else 1.0)
        if exception is not None:
            self._fail(exception, _status(response))

    def _fail(self, exception: BaseException, status: int) -> None:
        kind = f"HTTP {status}" if status else type(exception).__name__
        self._note(kind, str(exception))
        if status:
            self.statuses[kind] = status
        elif isinstance(exception, TIMEOUTS):
            self.no_answer.append(len(self.failed) - 1)

    def _place(self, due: float, sent: float, service: float) -> None:
        self.ended.append(sent + service - self.origin)
        self.response.append(service if isnan(due) else sent + service - due)
        self.due.append(due - self.origin)
        self.sent.append(sent - self.origin)

    def _note(self, kind: str, message: str) -> None:
        self.kinds[kind].append(len(self.failed) - 1)
        self.examples.setdefault(kind, message[:EXAMPLE_LENGTH])

    def _raise(self, user_instance: object, exception: BaseException, tb: object) -> None:  # noqa: ARG002  as Locust calls it
        """An error of the Locust file itself, or after a failed request: it is reported, and is no request."""
        kind = f"{type(exception).__name__} raised by a task"
        self.raised[kind].append(time.monotonic() - self.origin)
        self.examples.setdefault(kind, str(exception)[:EXAMPLE_LENGTH])

    def unanswered(self, arrivals: Iterable[Arrival]) -> None:
        """Count as failed what was due and has no response at the end; it would take at least the time up to now."""
        now = time.monotonic()
        for arrival in sorted(arrivals, key=lambda one: one.due):
            self._place(arrival.due, arrival.began, now - arrival.began)
            self._give_up(now - arrival.began)

    def unanswered_later(self, ages: Iterable[float]) -> None:
        """The same of requests that are not on the schedule, by how many seconds they have been under way."""
        now = time.monotonic()
        for age in sorted(ages, reverse=True):
            self._place(nan, now - age, age)
            self._give_up(age)

    def stopped(self, ages: Sequence[float], window: Window) -> None:
        """At the end of a closed load: of the requests under way, count the old ones as failed at the window's end.

        `ages` are seconds.
        """
        # Those of the warm-up included: they say what is usual as well.
        answered = np.delete(np.asarray(self.response), np.asarray(self.no_answer, dtype=np.intp))
        old = _old(answered, window.seconds)
        for age in sorted(ages, reverse=True):
            if age <= old:
                self.under_way += 1
                continue
            self.ended.append(window.last)
            self.response.append(age)
            self._give_up(age)

    def _give_up(self, age: float) -> None:
        self.failed.append(1.0)
        self._note(NO_ANSWER, f"under way for {age:.3f} s when the load ended")
        self.no_answer.append(len(self.failed) - 1)

    def result(self, window: Window, *, dropped: Iterable[float] = (), busy: tuple[float, ...] = ()) -> LoadResult:
        """All requests, and how often each kind of failure belongs to the window, those of tasks too."""
        requests = replace(self.requests, dropped=array("d", dropped), under_way=self.under_way)
        instants = deciding_instants(requests)
        counts = {kind: int(window.holds(instants[indexes]).sum()) for kind, indexes in self.kinds.items()}
        counts |= {kind: int(window.holds(raised).sum()) for kind, raised in self.raised.items()}
        within = {kind: count for kind, count in counts.items() if count}
        return LoadResult(
            requests=requests,
            failures=within,
            examples={kind: self.examples[kind] for kind in within},
            statuses={kind: status for kind, status in self.statuses.items() if kind in within},
            busy=busy,
            unkept=self.unkept,
        )


def _old(answered: NDArray[np.float64], window_seconds: float) -> float:
    """From how many seconds on a request has no response, where others were answered within these."""
    least = min(OLD_SECONDS, window_seconds / 2)
    if not answered.size:
        return least
    return max(least, OLD_BESIDE_P99 * float(np.quantile(answered, 0.99)), OLD_BESIDE_LONGEST * float(answered.max()))


def _status(response: Any) -> int:  # noqa: ANN401
    return getattr(response, "status_code", 0) or 0
