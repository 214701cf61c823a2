"""Asynchronous views, and streams: each place from which such code may query, as plain as it can be."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import BadRequest
from django.db import connection
from django.http import Http404, JsonResponse, StreamingHttpResponse

from loadlab.sample_app.models import Entry
from loadlab.sample_app.views import LONGEST_SLEEP_SECONDS, slow_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from django.http import HttpRequest, HttpResponse

TOGETHER: Final = 3  # queries that a view asks for at once
PARTS: Final = 3  # of a stream, each with a query
MOST_PARTS: Final = 1000
LINES: Final = "application/x-ndjson"


async def thread_sensitive(request: HttpRequest) -> HttpResponse:
    """In the request's own thread, as Django runs synchronous views."""
    return await sync_to_async(slow_query)(request)


async def thread_insensitive(request: HttpRequest) -> HttpResponse:
    """In any thread of the event loop's executor."""
    return await sync_to_async(slow_query, thread_sensitive=False)(request)


async def unsafe(request: HttpRequest) -> HttpResponse:
    """In the thread of the event loop itself, which Django refuses unless DJANGO_ALLOW_ASYNC_UNSAFE is set."""
    return slow_query(request)


async def read_one(request: HttpRequest, number: int) -> HttpResponse:  # noqa: ARG001
    """Read one row by the ORM's asynchronous methods."""
    entry = await Entry.objects.filter(pk=number).afirst()
    if entry is None:
        raise Http404
    return JsonResponse({"id": entry.pk, "title": entry.title, "body": entry.body, "visits": entry.visits})


async def gather(request: HttpRequest, number: int) -> HttpResponse:  # noqa: ARG001
    """Ask for several rows at once by the ORM's asynchronous methods."""
    entries = await asyncio.gather(*(Entry.objects.filter(pk=number).afirst() for _ in range(TOGETHER)))
    if None in entries:
        raise Http404
    return JsonResponse({"titles": [entry.title for entry in entries if entry is not None]})


async def gather_in_threads(request: HttpRequest) -> HttpResponse:
    """Make several queries at once, in any threads of the event loop's executor."""
    query = sync_to_async(slow_query, thread_sensitive=False)
    responses = await asyncio.gather(*(query(request) for _ in range(TOGETHER)))
    return responses[0]


async def own_connection(request: HttpRequest) -> HttpResponse:
    """On a connection of the event loop's own, where the engine has one; else as `thread_sensitive`."""
    if not settings.DATABASES["default"]["ENGINE"].startswith("django_async_backend."):
        return await thread_sensitive(request)
    from django_async_backend.db import async_connections  # noqa: PLC0415  not installed for other engines

    _, seconds = _asked(request)
    async with await async_connections["default"].cursor() as cursor:
        await cursor.execute("SELECT pg_sleep(%s)", [seconds])
    return JsonResponse({"seconds": seconds})


def stream(request: HttpRequest, number: int) -> StreamingHttpResponse:
    """Query once the view has returned, from a generator: in each of `?parts=`, which take `?seconds=` each."""
    count, seconds = _asked(request)

    def parts() -> Iterator[str]:
        for _ in range(count):
            _hold(seconds)
            yield _line(Entry.objects.filter(pk=number).first())

    return StreamingHttpResponse(parts(), content_type=LINES)


async def async_stream(request: HttpRequest, number: int) -> StreamingHttpResponse:
    """The same from an asynchronous generator."""
    count, seconds = _asked(request)

    async def parts() -> AsyncIterator[str]:
        for _ in range(count):
            await sync_to_async(_hold)(seconds)
            yield _line(await Entry.objects.filter(pk=number).afirst())

    return StreamingHttpResponse(parts(), content_type=LINES)


def _asked(request: HttpRequest) -> tuple[int, float]:
    try:
        count, seconds = int(request.GET.get("parts", PARTS)), float(request.GET.get("seconds", 0))
    except ValueError as error:
        raise BadRequest("parts and seconds must be numbers") from error
    if not (0 <= count <= MOST_PARTS and 0 <= seconds <= LONGEST_SLEEP_SECONDS):
        raise BadRequest(f"parts must be at most {MOST_PARTS}, seconds at most {LONGEST_SLEEP_SECONDS:g}")
    return count, seconds


def _hold(seconds: float) -> None:
    if seconds:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s)", [seconds])


def _line(entry: Entry | None) -> str:
    return json.dumps({"title": entry.title if entry else None}) + "\n"
