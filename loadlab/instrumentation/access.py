"""Who may see /metrics and the page below it, and what they get: one response for the views and for both wrappers."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from loadlab.instrumentation import current
from loadlab.instrumentation.configuration import configuration

CLOSED: Final = """\
These metrics are closed until a token is set. Set LOADLAB = {"METRICS_TOKEN": "..."} in settings, and have the scraper
send it as "Authorization: Bearer ..."; or leave this address closed, and serve them on their own loopback port with
python manage.py loadlab_metrics
"""
UNAUTHORIZED: Final = 'Send the token of LOADLAB["METRICS_TOKEN"] as "Authorization: Bearer ...".\n'
UNREADABLE: Final = """\
The connections are not counted: {error}. Name a folder that this process may write to in LOADLAB["LEDGER_DIR"].
"""
SAFE: Final = ("GET", "HEAD")
PLAIN: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
CONNECTIONS: Final = "/connections"  # below the path of the metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsResponse:
    """An HTTP response, independent of any framework."""

    status: HTTPStatus
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": PLAIN})


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsRequest:
    """What a request for a page asks, independent of any framework.

    Headers have one character for each of their bytes, as WSGI has them.
    """

    method: str
    authorization: str = ""
    accept: str = ""
    query: str = ""

    @property
    def wants_text(self) -> bool:
        """Whether it asks for plain text where the page has another format."""
        said = parse_qs(self.query).get("format", [""])[-1]
        return said == "text" if said else "text/plain" in self.accept and "application/json" not in self.accept


def pages_at(path: str) -> dict[str, Page]:
    """What is served, by path, where the metrics are at `path`."""
    return {path: metrics, f"{path.rstrip('/')}{CONNECTIONS}": connections}


def answer(page: Page, request: MetricsRequest) -> MetricsResponse:
    """The page, for a request with the right value of the Authorization header."""
    configured = configuration()
    if configured.metrics_open:
        return read_only(page, request)
    if not configured.metrics_token:
        return MetricsResponse(status=HTTPStatus.FORBIDDEN, body=CLOSED.encode())
    if _is_token(request.authorization, configured.metrics_token):
        return read_only(page, request)
    headers = {"Content-Type": PLAIN, "WWW-Authenticate": "Bearer"}
    return MetricsResponse(status=HTTPStatus.UNAUTHORIZED, body=UNAUTHORIZED.encode(), headers=headers)


def _is_token(authorization: str, token: str) -> bool:
    scheme, _, sent = authorization.partition(" ")
    # As bytes: text beyond ASCII cannot be compared in constant time, nor need an environment be UTF-8.
    expected = token.encode(errors="surrogateescape")
    return hmac.compare_digest(sent.strip().encode("latin-1", "replace"), expected) and scheme.lower() == "bearer"


def read_only(page: Page, request: MetricsRequest) -> MetricsResponse:
    """The page, without asking for a token: from any of the project's processes."""
    if request.method not in SAFE:
        headers = {"Content-Type": PLAIN, "Allow": ", ".join(SAFE)}
        return MetricsResponse(
            status=HTTPStatus.METHOD_NOT_ALLOWED, body=b"Metrics can only be read.\n", headers=headers
        )
    try:
        return page(request)
    except OSError as error:
        return MetricsResponse(status=HTTPStatus.SERVICE_UNAVAILABLE, body=UNREADABLE.format(error=error).encode())


def metrics(_: MetricsRequest) -> MetricsResponse:
    """All metrics of the project, in Prometheus' text format."""
    # A tenth of a worker's boot goes into importing the client: only those pay for it that are asked.
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # noqa: PLC0415

    from loadlab.instrumentation.collector import ConnectionCollector  # noqa: PLC0415

    collectors = CollectorRegistry()
    collectors.register(ConnectionCollector(current.directory()))
    body = generate_latest(collectors)
    return MetricsResponse(status=HTTPStatus.OK, body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def connections(request: MetricsRequest) -> MetricsResponse:
    """All open connections of the project, one by one: as JSON, or as a table of plain text."""
    from loadlab.instrumentation.listing import listing  # noqa: PLC0415  as above
    from loadlab.listing.documents import as_json  # noqa: PLC0415
    from loadlab.listing.table import as_text  # noqa: PLC0415

    found = listing()
    if request.wants_text:
        return MetricsResponse(status=HTTPStatus.OK, body=f"{as_text(found)}\n".encode(errors="replace"))
    return MetricsResponse(status=HTTPStatus.OK, body=as_json(found).encode(), headers={"Content-Type": JSON})


Page = Callable[[MetricsRequest], MetricsResponse]
