"""The views of /metrics and of the page below it: any worker speaks for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

from loadlab.instrumentation import access
from loadlab.instrumentation.access import MetricsRequest, answer
from loadlab.instrumentation.timing import leave_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from loadlab.instrumentation.access import Page


class _EveryAlias(set[str]):
    """Holds every alias that Django asks for, those included that come into DATABASES later."""

    def __contains__(self, alias: object) -> bool:
        return True


def _view(page: Page) -> Callable[[HttpRequest], HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        leave_out(request)  # to ask for the metrics changes none of them
        asked = MetricsRequest(
            method=request.method or "",
            authorization=request.headers.get("Authorization", ""),
            accept=request.headers.get("Accept", ""),
            query=request.META.get("QUERY_STRING", ""),
        )
        given = answer(page, asked)
        return HttpResponse(given.body, status=given.status, headers=given.headers)

    # A POST is told that it is not allowed, not that a cookie is missing. Django's own decorator imports its forms.
    view.csrf_exempt = True  # type: ignore[attr-defined]
    # Under ATOMIC_REQUESTS each request opens a connection to each such alias; Django's decorator takes out one alias.
    view._non_atomic_requests = _EveryAlias()  # type: ignore[attr-defined]  # noqa: SLF001
    return view


metrics = _view(access.metrics)
connections = _view(access.connections)
