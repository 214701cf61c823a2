"""The /metrics view, answered from the books: any worker speaks for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

from loadlab.instrumentation import current

if TYPE_CHECKING:
    from django.http import HttpRequest


def metrics(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  a view takes a request
    # A tenth of a worker's boot goes into importing the client: only those pay for it that are asked.
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # noqa: PLC0415

    from loadlab.instrumentation.collector import ConnectionCollector  # noqa: PLC0415

    collectors = CollectorRegistry()
    collectors.register(ConnectionCollector(current.directory()))
    return HttpResponse(generate_latest(collectors), content_type=CONTENT_TYPE_LATEST)
