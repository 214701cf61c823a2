"""Asks a project for its metrics, and understands the answer."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.model import metrics
from loadlab.model.scraped import AliasReading, Scraped
from loadlab.ports import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.metrics_core import Metric

TIMEOUT_SECONDS: Final = 10.0
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NO_METRICS: Final = "not in Prometheus' text format; name the address of the metrics with --metrics (--target-metrics)."
POOL_GAUGES: Final = {
    metrics.POOL_SIZE.name: "size",
    metrics.POOL_AVAILABLE.name: "available",
    metrics.POOL_WAITING.name: "waiting",
}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for the host that the user named, and for no other."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
        return None


def require_address(option: str, url: str, *, allow_remote: bool) -> None:
    """Make sure that the URL is one to ask; `option` is where the user has said it.

    Raises:
        UsageError: it is not http or https, or on another machine without leave.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{option} {url!r} is no address, such as http://127.0.0.1:9182/metrics.")
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
    text = _fetched(url, token)
    # Of the metrics client, which the lab does without, its reader of the format.
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    try:
        families = list(text_string_to_metric_families(text))
    except ValueError as error:
        raise EnvironmentFaultError(f"{url} answers, but {NO_METRICS}") from error
    if not any(family.name == metrics.BUILD_INFO.name for family in families):
        raise EnvironmentFaultError(
            f"{url} has metrics, but none of loadlab's: add 'loadlab.instrumentation' to INSTALLED_APPS of the project,"
            " or name the address that serves its metrics."
        )
    return Scraped(aliases=_by_alias(families), requests=_answered(families))


def _fetched(url: str, token: str | None) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310  checked
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as error:
        error.close()
        raise EnvironmentFaultError(f"{url} answers {error.code} {error.reason}{_hint(error.code)}.") from error
    except (OSError, http.client.HTTPException) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        raise EnvironmentFaultError(
            f"{url} does not answer: {getattr(why, 'strerror', None) or why}. Is the project running there?"
        ) from error
    except UnicodeDecodeError as error:
        raise EnvironmentFaultError(f"{url} answers, but {NO_METRICS}") from error


def _hint(status: int) -> str:
    if status == UNAUTHORIZED:
        return "; give the token of LOADLAB['METRICS_TOKEN'] with --token env:NAME"
    if status == FORBIDDEN:
        return "; the project has no LOADLAB['METRICS_TOKEN'] yet, see docs/instrumentation.md"
    return "; name the address of the metrics with --metrics (--target-metrics)"


def _answered(families: Iterable[Metric]) -> float | None:
    """All requests that the project has counted, of whatever route; None where it counts none at all."""
    counting = [family for family in families if family.name == metrics.HTTP_REQUEST_DURATION.name]
    if not counting:
        return None
    samples = [sample for family in counting for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == f"{metrics.HTTP_REQUEST_DURATION.name}_count")


def _by_alias(families: Iterable[Metric]) -> dict[str, AliasReading]:
    fields: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(dict))
    for family in families:
        for sample in family.samples:
            alias = sample.labels.get("alias")
            if alias is not None and (put := _PLACES.get(sample.name)) is not None:
                put(fields[alias], sample.labels, sample.value)
    return {alias: AliasReading(**values) for alias, values in fields.items()}


def _number(name: str) -> Callable[[dict[str, Any], dict[str, str], float], None]:
    return lambda fields, _, value: fields.__setitem__(name, value)


def _labelled(name: str, label: str) -> Callable[[dict[str, Any], dict[str, str], float], None]:
    return lambda fields, labels, value: fields[name].__setitem__(labels[label], value)


def _pool(quantity: str) -> Callable[[dict[str, Any], dict[str, str], float], None]:
    return lambda fields, _, value: fields["pool"].__setitem__(quantity, value)


_PLACES: Final = {
    metrics.CONNECTIONS_OPEN.name: _number("open"),
    metrics.CONNECTIONS_OPENED.name: _number("opened"),
    metrics.CONNECTIONS_CLOSED.name: _labelled("closed", "reason"),
    metrics.REQUESTS.name: _labelled("requests", "connection"),
    metrics.CONNECT_ERRORS.name: _labelled("errors", "kind"),
    f"{metrics.CONNECT_DURATION.name}_count": _number("connects"),
    f"{metrics.CONNECT_DURATION.name}_sum": _number("connect_seconds"),
    **{name: _pool(quantity) for name, quantity in POOL_GAUGES.items()},
    f"{metrics.POOL_WAIT.name}_count": _pool("waits"),
    f"{metrics.POOL_WAIT.name}_sum": _pool("wait_seconds"),
}
