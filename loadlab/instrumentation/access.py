"""Who may see /metrics, and what they get: one response for the view and for both wrappers."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

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


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsResponse:
    """An HTTP response, independent of any framework."""

    status: HTTPStatus
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": PLAIN})


def answer(method: str, authorization: str) -> MetricsResponse:
    """The metrics, for a request with the right value of the Authorization header.

    `authorization` has one character for each byte of the header, as WSGI has it.
    """
    configured = configuration()
    if configured.metrics_open:
        return exposition(method)
    if not configured.metrics_token:
        return MetricsResponse(status=HTTPStatus.FORBIDDEN, body=CLOSED.encode())
    if _is_token(authorization, configured.metrics_token):
        return exposition(method)
    headers = {"Content-Type": PLAIN, "WWW-Authenticate": "Bearer"}
    return MetricsResponse(status=HTTPStatus.UNAUTHORIZED, body=UNAUTHORIZED.encode(), headers=headers)


def _is_token(authorization: str, token: str) -> bool:
    scheme, _, sent = authorization.partition(" ")
    # As bytes: text beyond ASCII cannot be compared in constant time, nor need an environment be UTF-8.
    expected = token.encode(errors="surrogateescape")
    return hmac.compare_digest(sent.strip().encode("latin-1", "replace"), expected) and scheme.lower() == "bearer"


def exposition(method: str) -> MetricsResponse:
    """All metrics of the project, from any of its processes."""
    if method not in SAFE:
        headers = {"Content-Type": PLAIN, "Allow": ", ".join(SAFE)}
        return MetricsResponse(
            status=HTTPStatus.METHOD_NOT_ALLOWED, body=b"Metrics can only be read.\n", headers=headers
        )
    # A tenth of a worker's boot goes into importing the client: only those pay for it that are asked.
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # noqa: PLC0415

    from loadlab.instrumentation.collector import ConnectionCollector  # noqa: PLC0415

    collectors = CollectorRegistry()
    try:
        collectors.register(ConnectionCollector(current.directory()))
        body = generate_latest(collectors)
    except OSError as error:
        return MetricsResponse(status=HTTPStatus.SERVICE_UNAVAILABLE, body=UNREADABLE.format(error=error).encode())
    return MetricsResponse(status=HTTPStatus.OK, body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
