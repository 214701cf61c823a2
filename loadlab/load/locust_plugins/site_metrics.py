"""Reads the metrics of the site under load, and says what its connections did between one look and the next."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.parser import text_string_to_metric_families

from loadlab.model import metrics
from loadlab.system.fetching import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.samples import Sample

TOKEN_VARIABLE: Final = "LOADLAB_TARGET_METRICS_TOKEN"  # noqa: S105  where it is, not what it is
TIMEOUT_SECONDS: Final = 5.0
OURS: Final = ("loadlab_", "# TYPE loadlab_")
LATE: Final = f"did not answer completely within {TIMEOUT_SECONDS:g} s"
MOST_BYTES: Final = 8 * 1024 * 1024
LOOKS_KEPT: Final = 1800  # an hour at one look every two seconds
REFUSALS: Final = {401: f"; its token goes into {TOKEN_VARIABLE}", 403: f"; its token goes into {TOKEN_VARIABLE}"}

OWN_LABELS: Final = frozenset({"alias", "connection", "reason", "kind"})
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
class SiteReading:
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
class SiteSample:
    """One look at the metrics, `at` seconds of the epoch: what has changed by alias, or the `fault` that hid it."""

    at: float
    changes: Mapping[str, Change] = field(default_factory=dict)
    fault: str = ""
    restarted: bool = False


class History:
    """The latest looks, the oldest of which are forgotten, and what all of them add up to."""

    def __init__(self, looks_kept: int = LOOKS_KEPT) -> None:
        self.looks: deque[SiteSample] = deque(maxlen=looks_kept)
        self.sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self.restarts = 0
        self._before: tuple[float, dict[str, SiteReading]] | None = None

    def add(self, readings: dict[str, SiteReading], *, at: float, moment: float) -> None:
        """A look that succeeded; `moment` is monotonic, in seconds. Over looks that failed, rates are means."""
        before = self._before
        if before is None:
            self._before = (moment, readings)
            self.looks.append(SiteSample(at=at))
            return
        then, earlier = before
        restarted = any(_fell(earlier[alias], readings[alias]) for alias in earlier if alias in readings)
        if not restarted:
            readings = {alias: _without_gaps(earlier.get(alias), now) for alias, now in readings.items()}
        # What one look misses was not begun anew: the next one is set beside what was there before.
        self._before = (moment, readings if restarted else {**earlier, **readings})
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
        self.looks.append(SiteSample(at=at, changes=changes, restarted=restarted))

    def miss(self, fault: str, *, at: float) -> None:
        """A look that failed."""
        self.looks.append(SiteSample(at=at, fault=fault))


def _fell(before: SiteReading, now: SiteReading) -> bool:
    """Whether any counter is less than it was: then all of them began anew, from 0."""
    return any(now.counters.get(name, value) < value for name, value in before.counters.items())


def _without_gaps(before: SiteReading | None, now: SiteReading) -> SiteReading:
    return now if before is None else replace(now, counters={**before.counters, **now.counters})


def _increases(before: SiteReading | None, now: SiteReading) -> dict[str, float]:
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


def readings_of(text: str) -> dict[str, SiteReading]:
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


def _by_alias(samples: Iterable[Sample]) -> dict[str, SiteReading]:
    open_now: dict[str, float] = {}
    counters: dict[str, dict[str, float]] = defaultdict(dict)
    for sample in samples:
        labels = sample.labels
        if sample.name == metrics.CONNECTIONS_OPEN.name:
            open_now[_row(labels)] = sample.value
        elif sample.name == metrics.CONNECTIONS_OPENED.name:
            counters[_row(labels)][OPENED] = sample.value
        elif sample.name == metrics.REQUESTS.name:
            counters[_row(labels)][REUSED if labels["connection"] == "reused" else BY_REQUESTS] = sample.value
        elif sample.name == metrics.CONNECTIONS_CLOSED.name:
            counters[_row(labels)][CLOSED + labels["reason"]] = sample.value
        elif sample.name == metrics.CONNECT_ERRORS.name:
            counters[_row(labels)][FAILED + labels["kind"]] = sample.value
    return {alias: SiteReading(open=value, counters=counters[alias]) for alias, value in open_now.items()}


def _row(labels: Mapping[str, str]) -> str:
    """The alias, and where one exposition holds several hosts, which of them."""
    others = ",".join(f"{name}={value}" for name, value in sorted(labels.items()) if name not in OWN_LABELS)
    return f"{labels['alias']} ({others})" if others else labels["alias"]


def _fetched(url: str, token: str | None) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310  checked
    with Deadline(TIMEOUT_SECONDS) as deadline:
        # No proxy either: it would read the token.
        opener = urllib.request.build_opener(_Direct, urllib.request.ProxyHandler({}), *deadline.handlers())
        try:
            with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                body: bytes = answer.read(MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            error.close()
            raise UnreadableError(f"answers {error.code} {error.reason}{REFUSALS.get(error.code, '')}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = LATE if deadline.passed else f"does not answer: {getattr(error, 'reason', error)}"
            raise UnreadableError(why) from error
        if deadline.passed:
            raise UnreadableError(LATE)
    if len(body) > MOST_BYTES:
        raise UnreadableError(f"answers with more than {MOST_BYTES} bytes")
    return body.decode(errors="replace")
