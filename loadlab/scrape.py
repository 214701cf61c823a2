"""Asks a project for its metrics, and understands the answer."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.model import metrics
from loadlab.model.scraped import AliasReading, Scraped, added_up
from loadlab.system.fetching import NO_METRICS, fetched, shown, split_address
from loadlab.system.ports import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample


def require_address(option: str, url: str, *, allow_remote: bool) -> None:
    """Make sure that the URL is one to ask; `option` is where the user has said it.

    The URL itself is never repeated: what is wrong with it may be a password.

    Raises:
        UsageError: it is not http or https, holds a user or a password, or is on another machine without leave.
    """
    parts = split_address(url)
    if not parts.hostname:
        raise UsageError(f"{option} is no address, such as http://127.0.0.1:9182/metrics.")
    if "@" in parts.netloc:
        raise UsageError(
            f"{option} holds a user or a password, which would show in the process list. Remove it; a token is given"
            " with --token env:NAME."
        )
    if not allow_remote and not is_loopback(parts.hostname):
        raise UsageError(
            f"{option} names {parts.hostname}, which is not this machine; say --allow-remote if that is what you want."
        )


def token_of(reference: str | None) -> str | None:
    """The token that the user has named by an environment variable, env:NAME.

    Raises:
        UsageError: it is the token itself, or the variable is not set.
    """
    if not reference:
        return None
    kind, _, name = reference.partition(":")
    if kind != "env" or not name:
        raise UsageError("A token on the command line would show in the process list: --token env:NAME.")
    token = os.environ.get(name)
    if not token:
        raise UsageError(f"The environment variable {name} is not set; it should hold the token of the metrics.")
    return token


def scrape(url: str, token: str | None) -> Scraped:
    """What the metrics at `url` say now.

    Raises:
        EnvironmentFaultError: there is no answer, or none that loadlab's instrumentation would give.
    """
    return understood(fetched(url, {"Authorization": f"Bearer {token}"} if token else {}), url)


def understood(text: str, url: str) -> Scraped:
    """What an exposition says, which came from `url`.

    Raises:
        EnvironmentFaultError: it is none, or not one that loadlab's instrumentation would give.
    """
    # Of the metrics client, which the lab does without, its reader of the format.
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    try:
        families = list(text_string_to_metric_families(text))
    except ValueError as error:
        raise EnvironmentFaultError(f"{shown(url)} answers, but {NO_METRICS}") from error
    if not any(family.name == metrics.BUILD_INFO.name for family in families):
        raise EnvironmentFaultError(
            f"{shown(url)} has metrics, but none of loadlab's: add 'loadlab.instrumentation' to INSTALLED_APPS of the"
            " project, or name the address that serves its metrics."
        )
    try:
        hosts = _by_alias_and_host(families)
    except _RefusedError as error:
        raise EnvironmentFaultError(f"{shown(url)} answers, but {error}") from error
    aliases = {alias: added_up(each.values()) for alias, each in hosts.items()}
    return Scraped(aliases=aliases, requests=_answered(families), hosts=hosts)


def _answered(families: Iterable[Metric]) -> float | None:
    """All requests that the project has counted, of whatever route; None where it counts none at all."""
    counting = [family for family in families if family.name == metrics.HTTP_REQUEST_DURATION.name]
    if not counting:
        return None
    samples = [sample for family in counting for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == f"{metrics.HTTP_REQUEST_DURATION.name}_count")


class _RefusedError(Exception):
    """A sample that cannot be understood, in words that follow "answers, but"."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a metric's value goes: a field of `AliasReading`, under a key where it has several."""

    field: str
    label: str = ""
    key: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Those that a sample must have."""
        return ("alias", self.label) if self.label else ("alias",)


def _by_alias_and_host(families: Iterable[Metric]) -> dict[str, dict[str, AliasReading]]:
    readings: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for family in families:
        for sample in family.samples:
            place = _PLACES.get(sample.name)
            if place is not None:
                _require_sound(sample, place)
                others = sorted(item for item in sample.labels.items() if item[0] not in place.labels)
                host = ",".join(f"{name}={value}" for name, value in others)
                _put(readings[sample.labels["alias"]][host], sample, place)
    return {
        alias: {host: AliasReading(**values) for host, values in by_host.items()} for alias, by_host in readings.items()
    }


def _require_sound(sample: Sample, place: _Place) -> None:
    missing = [label for label in place.labels if label not in sample.labels]
    if missing:
        raise _RefusedError(
            f"{sample.name} has no label {missing[0]!r} there: a relabelling has dropped or renamed it. Read the"
            " metrics at the project's own address."
        )
    if not isfinite(sample.value) or sample.value < 0:
        raise _RefusedError(f"{sample.name} is {sample.value}, which is not a count. Read the project's own address.")


def _put(values: dict[str, Any], sample: Sample, place: _Place) -> None:
    into, key = (values, place.field)
    if place.label or place.key:
        into, key = values.setdefault(place.field, {}), place.key or sample.labels[place.label]
    if key in into:
        raise _RefusedError(
            f"{sample.name} stands there twice with the same labels: metrics of several hosts were merged without a"
            " label that tells them apart. Add one, such as instance, or read one host's own address."
        )
    into[key] = sample.value


_PLACES: Final = {
    metrics.CONNECTIONS_OPEN.name: _Place("open"),
    metrics.CONNECTIONS_OPENED.name: _Place("opened"),
    metrics.CONNECTIONS_CLOSED.name: _Place("closed", label="reason"),
    metrics.REQUESTS.name: _Place("requests", label="connection"),
    metrics.CONNECT_ERRORS.name: _Place("errors", label="kind"),
    f"{metrics.CONNECT_DURATION.name}_count": _Place("connects"),
    f"{metrics.CONNECT_DURATION.name}_sum": _Place("connect_seconds"),
    f"{metrics.CONNECTION_AGE.name}_count": _Place("lived"),
    f"{metrics.CONNECTION_AGE.name}_sum": _Place("lived_seconds"),
    metrics.POOL_SIZE.name: _Place("pool", key="size"),
    metrics.POOL_AVAILABLE.name: _Place("pool", key="available"),
    metrics.POOL_WAITING.name: _Place("pool", key="waiting"),
    f"{metrics.POOL_WAIT.name}_count": _Place("pool", key="waits"),
    f"{metrics.POOL_WAIT.name}_sum": _Place("pool", key="wait_seconds"),
}
