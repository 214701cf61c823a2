"""Reads the metrics of the site under load, and says what its connections did between one look and the next."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections import defaultdict, deque
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.parser import text_string_to_metric_families

from loadlab.model import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.samples import Sample

TOKEN_VARIABLE: Final = "LOADLAB_TARGET_METRICS_TOKEN"  # noqa: S105  where it is, not what it is
TIMEOUT_SECONDS: Final = 5.0
MOST_SECONDS: Final = 10.0  # for all of an answer that comes drop by drop
OURS: Final = ("loadlab_", "# TYPE loadlab_")
MOST_BYTES: Final = 8 * 1024 * 1024
LOOKS_KEPT: Final = 1800  # an hour at one look every two seconds
REFUSALS: Final = {401: f"; its token goes into {TOKEN_VARIABLE}", 403: f"; its token goes into {TOKEN_VARIABLE}"}

OPENED: Final = "opened"
BY_REQUESTS: Final = "opened by requests"
REUSED: Final = "reused"
CLOSED: Final = "closed: "  # and the reason
FAILED: Final = "failed to connect: "  # and the kind


class UnreadableError(Exception):
    """There is no answer, or none with loadlab's metrics; says why."""


class _Direct(urllib.request.HTTPRedirectHandler):
    """The token is for the address that was given, and for no other."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What the metrics said of one alias: connections open, and the counters by what they count."""

    open: float
    counters: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One alias between two looks, `seconds` apart; `increases` are those of the counters."""

    seconds: float
    open: float
    increases: Mapping[str, float]

    def rate(self, counter: str) -> float:
        """Per second."""
        return self.increases.get(counter, 0.0) / self.seconds

    @property
    def reuse(self) -> float | None:
        """The share of requests that found their connection open; None without any request."""
        reused = self.increases.get(REUSED, 0.0)
        requests = reused + self.increases.get(BY_REQUESTS, 0.0)
        return reused / requests if requests else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One look at the metrics, `at` seconds of the epoch: what has changed by alias, or the `fault` that hid it."""

    at: float
    changes: Mapping[str, Change] = field(default_factory=dict)
    fault: str = ""
    restarted: bool = False


class History:
    """The latest looks, the oldest of which are forgotten, and what all of them add up to."""

    def __init__(self, looks_kept: int = LOOKS_KEPT) -> None:
        self.looks: deque[Look] = deque(maxlen=looks_kept)
        self.sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self.restarts = 0
        self._before: tuple[float, dict[str, Reading]] | None = None

    def add(self, readings: dict[str, Reading], *, at: float, moment: float) -> None:
        """A look that succeeded; `moment` is monotonic, in seconds. Over looks that failed, rates are means."""
        before = self._before
        self._before = (moment, readings)
        if before is None:
            self.looks.append(Look(at=at))
            return
        then, earlier = before
        restarted = any(_fell(earlier[alias], readings.get(alias)) for alias in earlier)
        changes = {
            alias: Change(
                seconds=max(moment - then, 1e-9),
                open=now.open,
                increases=_increases(None if restarted else earlier.get(alias), now),
            )
            for alias, now in readings.items()
        }
        self.restarts += restarted
        for alias, change in changes.items():
            sums = self.sums[alias]
            for counter, increase in change.increases.items():
                sums[counter] += increase
        self.looks.append(Look(at=at, changes=changes, restarted=restarted))

    def miss(self, fault: str, *, at: float) -> None:
        """A look that failed."""
        self.looks.append(Look(at=at, fault=fault))


def _fell(before: Reading, now: Reading | None) -> bool:
    """Whether any counter is less than it was: then all of them began anew, from 0."""
    return now is None or any(now.counters.get(name, 0.0) < value for name, value in before.counters.items())


def _increases(before: Reading | None, now: Reading) -> dict[str, float]:
    earlier = before.counters if before is not None else {}
    return {name: value - earlier.get(name, 0.0) for name, value in now.counters.items()}


def look(history: History, url: str, token: str | None) -> None:
    """Look once at the metrics at `url`; a failure is part of the history."""
    try:
        readings = readings_of(_fetched(url, token))
    except UnreadableError as error:
        history.miss(str(error), at=time.time())
    else:
        history.add(readings, at=time.time(), moment=time.monotonic())


def readings_of(text: str) -> dict[str, Reading]:
    """The metrics by alias.

    Raises:
        UnreadableError: they are no metrics, or none of loadlab's.
    """
    # A project may have thousands of metrics; the reader is slow, and Locust's users wait for it.
    ours = "\n".join(line for line in text.split("\n") if line.startswith(OURS))
    try:
        samples = [sample for family in text_string_to_metric_families(ours + "\n") for sample in family.samples]
        readings = _by_alias(sample for sample in samples if isfinite(sample.value))
    except (ValueError, LookupError) as error:
        raise UnreadableError(f"answers, but not in Prometheus' text format: {error}") from error
    if not any(sample.name == metrics.BUILD_INFO.name for sample in samples):
        raise UnreadableError("has no metrics of loadlab's; add 'loadlab.instrumentation' to INSTALLED_APPS there")
    return readings


def _by_alias(samples: Iterable[Sample]) -> dict[str, Reading]:
    open_now: dict[str, float] = {}
    counters: dict[str, dict[str, float]] = defaultdict(dict)
    for sample in samples:
        labels = sample.labels
        if sample.name == metrics.CONNECTIONS_OPEN.name:
            open_now[labels["alias"]] = sample.value
        elif sample.name == metrics.CONNECTIONS_OPENED.name:
            counters[labels["alias"]][OPENED] = sample.value
        elif sample.name == metrics.REQUESTS.name:
            counters[labels["alias"]][REUSED if labels["connection"] == "reused" else BY_REQUESTS] = sample.value
        elif sample.name == metrics.CONNECTIONS_CLOSED.name:
            counters[labels["alias"]][CLOSED + labels["reason"]] = sample.value
        elif sample.name == metrics.CONNECT_ERRORS.name:
            counters[labels["alias"]][FAILED + labels["kind"]] = sample.value
    return {alias: Reading(open=value, counters=counters[alias]) for alias, value in open_now.items()}


def _fetched(url: str, token: str | None) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310  checked
    # No proxy either: it would read the token.
    opener = urllib.request.build_opener(_Direct, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            body = _read(answer)
    except urllib.error.HTTPError as error:
        error.close()
        raise UnreadableError(f"answers {error.code} {error.reason}{REFUSALS.get(error.code, '')}") from error
    except (OSError, http.client.HTTPException) as error:
        raise UnreadableError(f"does not answer: {getattr(error, 'reason', error)}") from error
    return body.decode(errors="replace")


def _read(answer: http.client.HTTPResponse) -> bytes:
    deadline = time.monotonic() + MOST_SECONDS
    body = bytearray()
    while piece := answer.read1(MOST_BYTES):
        body += piece
        if len(body) > MOST_BYTES:
            raise UnreadableError(f"answers with more than {MOST_BYTES} bytes")
        if time.monotonic() > deadline:
            raise UnreadableError(f"takes more than {MOST_SECONDS:g} s to answer")
    return bytes(body)
