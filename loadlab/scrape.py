"""Asks a project for its metrics, and reads the response: the only reader of /metrics."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus
from math import isfinite
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from loadlab.errors import UsageError
from loadlab.listing.documents import from_json
from loadlab.model import metrics
from loadlab.model.counts import KEYED, KEYED_GAUGES, ConnectionCounts
from loadlab.model.holders import Holder
from loadlab.model.reading import Reading
from loadlab.system.addresses import split_address
from loadlab.system.fetching import NAME_IT, TIMEOUT_SECONDS, UnreadableError, fetched
from loadlab.system.ports import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample

    from loadlab.model.open_connections import Listing

PREFIX: Final = "loadlab_"
TYPE: Final = "# TYPE loadlab_"
NOT_OURS: Final = (
    "has metrics, but none of loadlab's: add 'loadlab.instrumentation' to INSTALLED_APPS of the project",
    ", or name the address that serves its metrics.",
)
NO_LISTING: Final = (
    ". Give the address of the metrics. If the project mounts them as a view, add"
    " path('metrics/connections', loadlab.instrumentation.views.connections) to its urls.py."
)
CONNECTIONS: Final = "/connections"  # below the path of the metrics
# What is left of all units of work: a project with an earlier loadlab shows no kinds, and its units are requests too.
REQUESTS: Final = tuple(f"{metrics.UnitKind.REQUEST.label}_{connection}" for connection in metrics.CONNECTION)
Key = tuple[str, str]  # a field of `ConnectionCounts`, and the reason or kind in it


def require_address(option: str, url: str, *, allow_remote: bool) -> None:
    """Make sure that the URL is one to ask; `option` is where the user has said it.

    The URL itself is never repeated: what is wrong with it may be a password.

    Raises:
        UsageError: it is not http or https, holds a user or a password, or is on another machine without leave.
    """
    parts = split_address(url)
    if not parts.hostname:
        raise UsageError(f"{option} is not an http:// or https:// URL. Use one such as http://127.0.0.1:9182/metrics.")
    if "@" in parts.netloc:
        raise UsageError(
            f"{option} holds a user name or a password, which would show in the process list. Remove it, and give a"
            " token with --token env:NAME."
        )
    if not allow_remote and not is_loopback(parts.hostname):
        raise UsageError(f"{option} names {parts.hostname}, which is not this machine. Add --allow-remote to allow it.")


def token_of(reference: str | None) -> str | None:
    """The token that the user has named by an environment variable, env:NAME.

    Raises:
        UsageError: it is the token itself, or the variable is not set.
    """
    if not reference:
        return None
    kind, _, name = reference.partition(":")
    if kind != "env" or not name:
        raise UsageError("A token on the command line would show in the process list. Use --token env:NAME.")
    token = os.environ.get(name)
    if not token:
        raise UsageError(f"The environment variable {name} is not set; it should hold the token of the metrics.")
    return token


def scrape(url: str, token: str | None, *, seconds: float = TIMEOUT_SECONDS) -> Reading:
    """What the metrics at `url` say now.

    Raises:
        UnreadableError: no response came in time, or it is not from loadlab's instrumentation.
    """
    return understood(fetched(url, _headers(token), seconds=seconds), url)


def listing_at(url: str, token: str | None, *, seconds: float = TIMEOUT_SECONDS) -> Listing:
    """The open connections that the project lists below the address of its metrics.

    Raises:
        UnreadableError: no response came in time, or it is no listing.
    """
    address = _below(url)
    try:
        return from_json(fetched(address, _headers(token), seconds=seconds))
    except UnreadableError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise UnreadableError(address, "does not exist", NO_LISTING, status=error.status) from error
    except ValueError as error:
        what = f"answers, but not with open connections: {error}"
        raise UnreadableError(address, what, NO_LISTING) from error


def _below(url: str) -> str:
    """The address of the listing, given that of the metrics, or itself."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/").removesuffix(CONNECTIONS)
    return parts._replace(path=f"{path}{CONNECTIONS}", query="", fragment="").geturl()


def _headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def understood(text: str, url: str) -> Reading:
    """What an exposition says, which came from `url`.

    Raises:
        UnreadableError: it is none, or not one that loadlab's instrumentation would give.
    """
    try:
        families = _families(_ours(text))
        if not families:
            _families(text)  # or is it no exposition at all?
    except ValueError as error:
        raise UnreadableError(url, "answers, but not in Prometheus' text format", f"{NAME_IT}.") from error
    if not any(family.name == metrics.BUILD_INFO.name for family in families):
        raise UnreadableError(url, *NOT_OURS)
    try:
        return Reading(
            at=time.monotonic(),
            hosts=_by_alias_and_host(families),
            answered=_whole(counted) if (counted := _of_requests(families, "count")) is not None else None,
            answered_seconds=_of_requests(families, "sum"),
        )
    except _RefusedError as error:
        raise UnreadableError(url, f"answers, but {error.what}", error.next_step) from error


def _ours(text: str) -> str:
    """Those lines that are loadlab's, but for the buckets of histograms.

    A project may have thousands of metrics, and the parser is slow: Locust's users wait for it.
    """
    return "".join(f"{line}\n" for line in text.split("\n") if line.startswith((PREFIX, TYPE)) and not _is_bucket(line))


def _is_bucket(line: str) -> bool:
    return line.partition("{")[0].endswith("_bucket")


def _families(text: str) -> list[Metric]:
    """The families of an exposition.

    Raises:
        ValueError: it is none.
    """
    # Of the metrics client, which the lab does without, its reader of the format.
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    return list(text_string_to_metric_families(text))


def _of_requests(families: Sequence[Metric], what: str) -> float | None:
    """The "count" or "sum" of all requests that the project has timed, over all routes; None where it times none."""
    name = metrics.HTTP_REQUEST_DURATION.name
    timing = [family for family in families if family.name == name]
    samples = (sample for family in timing for sample in family.samples if sample.name == f"{name}_{what}")
    return sum(sample.value for sample in samples) if timing else None


class _RefusedError(Exception):
    """A sample that cannot be understood: `what` is wrong, in words that follow "answers, but", and the next step."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(what)
        self.what, self.next_step = what, next_step


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a metric's values go: `into` a field of `ConnectionCounts`, under its labels `by` where that counts by key.

    A metric that counts several fields has the field of each of its label's values. A sample without the labels `by`
    counts as `unlabelled`, where an earlier loadlab has no such label.
    """

    into: str | Mapping[str, str]
    by: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unlabelled: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Those that say what is counted; all others say where."""
        return ("alias", *self.by)

    @property
    def required(self) -> tuple[str, ...]:
        """Those that a sample must have."""
        return ("alias",) if self.unlabelled else self.labels

    def key(self, sample: Sample) -> Key | None:
        """None of a value of the label that is left out, or that this version does not know."""
        value = "_".join(sample.labels.get(label, self.unlabelled) for label in self.by)
        if value in self.left_out:
            return None
        if isinstance(self.into, str):
            return self.into, value
        return (self.into[value], "") if value in self.into else None


def _by_alias_and_host(families: Sequence[Metric]) -> dict[str, dict[str, ConnectionCounts]]:
    found: dict[str, dict[str, dict[Key, float]]] = defaultdict(lambda: defaultdict(dict))
    for sample, place in _placed(families):
        _require_sound(sample, place)
        key = place.key(sample)
        if key is None:
            continue
        others = sorted(item for item in sample.labels.items() if item[0] not in place.labels)
        values = found[sample.labels["alias"]][",".join(f"{name}={value}" for name, value in others)]
        if key in values:
            raise _RefusedError(
                f"{sample.name} appears twice with the same labels: metrics of several hosts were merged without a"
                " label that tells them apart",
                ". Add one, such as instance, or read one host's own address.",
            )
        values[key] = sample.value
    return {alias: {host: _counts(values) for host, values in by_host.items()} for alias, by_host in found.items()}


def _placed(families: Sequence[Metric]) -> Iterator[tuple[Sample, _Place]]:
    for family in families:
        for sample in family.samples:
            place = _PLACES.get(sample.name)
            if place is not None:
                yield sample, place


def _require_sound(sample: Sample, place: _Place) -> None:
    missing = [label for label in place.required if label not in sample.labels]
    if missing:
        raise _RefusedError(
            f"{sample.name} has no label {missing[0]!r} there: a relabelling has dropped or renamed it",
            ". Read the metrics at the project's own address.",
        )
    if not isfinite(sample.value) or sample.value < 0:
        raise _RefusedError(
            f"{sample.name} is {sample.value}, which is not a count", ". Read the project's own address."
        )


def _counts(values: dict[Key, float]) -> ConnectionCounts:
    fields: dict[str, Any] = {}
    for (field, key), value in values.items():
        if field not in _KEYED:
            fields[field] = value if field.endswith("_seconds_sum") else _whole(value)
        elif value:
            fields.setdefault(field, {})[key] = _whole(value)
    fields["open"] = sum(fields.get("holders", {}).values())
    return ConnectionCounts(**fields)


def _whole(value: float) -> int:
    """A count is whole; in the text it is a float, as every value is there."""
    return round(value)


_KEYED: Final = (*KEYED, *KEYED_GAUGES)
_PLACES: Final = {
    metrics.CONNECTIONS_OPEN.name: _Place("holders", by=("holder",), unlabelled=Holder.UNKNOWN.label),
    metrics.CONNECTIONS_OPENED.name: _Place("opened"),
    metrics.CONNECTIONS_CLOSED.name: _Place("closed", by=("reason",)),
    metrics.CONNECTS_UNSETTLED.name: _Place("unsettled"),
    metrics.REQUESTS.name: _Place({"opened": "first_uses", "reused": "reused"}, by=("connection",)),
    metrics.UNITS.name: _Place("units", by=("kind", "connection"), left_out=REQUESTS),
    metrics.CONNECT_ERRORS.name: _Place("connect_errors", by=("kind",)),
    f"{metrics.CONNECT_DURATION.name}_count": _Place("connects"),
    f"{metrics.CONNECT_DURATION.name}_sum": _Place("connect_seconds_sum"),
    f"{metrics.CONNECTION_AGE.name}_count": _Place("ended"),
    f"{metrics.CONNECTION_AGE.name}_sum": _Place("ended_seconds_sum"),
    metrics.POOL_SIZE.name: _Place("pool_size"),
    metrics.POOL_AVAILABLE.name: _Place("pool_available"),
    metrics.POOL_WAITING.name: _Place("pool_waiting"),
    f"{metrics.POOL_WAIT.name}_count": _Place("waits"),
    f"{metrics.POOL_WAIT.name}_sum": _Place("wait_seconds_sum"),
}
