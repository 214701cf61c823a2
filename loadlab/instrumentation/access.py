"""Who may see /metrics, and what they get: one answer for the view and for both wrappers."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

from loadlab.instrumentation import current
from loadlab.instrumentation.configuration import configuration

CLOSED: Final = """\
These metrics are for nobody yet. Set LOADLAB = {"METRICS_TOKEN": "..."} in settings, and have the scraper send it as
"Authorization: Bearer ..."; or leave this address closed, and serve them on a loopback port of their own with
python manage.py loadlab_metrics
"""
UNAUTHORIZED: Final = 'Send the token of LOADLAB["METRICS_TOKEN"] as "Authorization: Bearer ...".\n'
PLAIN: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer, in nobody's framework."""

    status: int
    reason: str
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": PLAIN})


def answer(authorization: str) -> Answer:
    """The metrics, for whoever sends the right value of the Authorization header."""
    configured = configuration()
    if configured.metrics_open:
        return exposition()
    if not configured.metrics_token:
        return Answer(status=403, reason="Forbidden", body=CLOSED.encode())
    expected = f"Bearer {configured.metrics_token}"
    if hmac.compare_digest(authorization.encode(), expected.encode()):
        return exposition()
    headers = {"Content-Type": PLAIN, "WWW-Authenticate": "Bearer"}
    return Answer(status=401, reason="Unauthorized", body=UNAUTHORIZED.encode(), headers=headers)


def exposition() -> Answer:
    """All metrics of the project, whichever of its processes is asked."""
    # A tenth of a worker's boot goes into importing the client: only those pay for it that are asked.
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # noqa: PLC0415

    from loadlab.instrumentation.collector import ConnectionCollector  # noqa: PLC0415

    collectors = CollectorRegistry()
    collectors.register(ConnectionCollector(current.directory()))
    return Answer(
        status=200, reason="OK", body=generate_latest(collectors), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )
