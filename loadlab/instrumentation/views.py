"""The /metrics view: any worker speaks for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

from loadlab.instrumentation.access import answer
from loadlab.instrumentation.timing import leave_out

if TYPE_CHECKING:
    from django.http import HttpRequest


class _EveryAlias(set[str]):
    """Holds every alias that Django asks for, those included that come into DATABASES later."""

    def __contains__(self, alias: object) -> bool:
        return True


def metrics(request: HttpRequest) -> HttpResponse:
    leave_out(request)  # to ask for the metrics changes none of them
    given = answer(request.method or "", request.headers.get("Authorization", ""))
    return HttpResponse(given.body, status=given.status, headers=given.headers)


# A POST is told that it is not allowed, not that a cookie is missing. Django's own decorator imports all of its forms.
metrics.csrf_exempt = True  # type: ignore[attr-defined]
# Under ATOMIC_REQUESTS each request opens a connection to each such alias; Django's own decorator takes out one alias.
metrics._non_atomic_requests = _EveryAlias()  # type: ignore[attr-defined]  # noqa: SLF001
