"""The site's asynchronous views: the query of `slow_query`, from each place that asynchronous code may make it from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async

from loadlab.sample_app.views import slow_query

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


async def thread_sensitive(request: HttpRequest) -> HttpResponse:
    """In the request's own thread, as Django runs synchronous views."""
    return await sync_to_async(slow_query)(request)


async def thread_insensitive(request: HttpRequest) -> HttpResponse:
    """In any thread of the event loop's executor."""
    return await sync_to_async(slow_query, thread_sensitive=False)(request)


async def unsafe(request: HttpRequest) -> HttpResponse:
    """In the thread of the event loop itself, which Django refuses unless DJANGO_ALLOW_ASYNC_UNSAFE is set."""
    return slow_query(request)
