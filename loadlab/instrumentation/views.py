"""The /metrics view: any worker speaks for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

from loadlab.instrumentation.access import answer

if TYPE_CHECKING:
    from django.http import HttpRequest


def metrics(request: HttpRequest) -> HttpResponse:
    given = answer(request.headers.get("Authorization", ""))
    return HttpResponse(given.body, status=given.status, headers=given.headers)
