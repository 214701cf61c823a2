"""The sample app's routes, and views that each leave connections open in one way."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from django.core.signals import request_finished
from django.http import HttpResponse
from django.urls import path

from loadlab.sample_app import urls
from loadlab.sample_app.models import Entry

if TYPE_CHECKING:
    from django.http import HttpRequest

KEPT = ThreadPoolExecutor(4)
TOGETHER = threading.Barrier(4)
asked = threading.local()


def fetch(number: int) -> int:
    """A job: one query."""
    return Entry.objects.filter(pk=number).count()


def fetch_together(number: int) -> int:
    """The same in four threads at once, so that an executor has to start as many."""
    TOGETHER.wait(60)
    return fetch(number)


def thread_per_job(request: HttpRequest) -> HttpResponse:
    thread = threading.Thread(target=fetch, args=(1,))
    thread.start()
    thread.join()
    return HttpResponse("done")


def executor_in_with(request: HttpRequest) -> HttpResponse:
    with ThreadPoolExecutor(2) as pool:
        return HttpResponse(str(sum(pool.map(fetch, (1, 2)))))


def executor_kept(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(sum(KEPT.map(fetch_together, range(4)))))


async def to_thread(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(await asyncio.to_thread(fetch, 1)))


def after_response(request: HttpRequest) -> HttpResponse:
    """It closes nothing, and has a receiver query once Django has closed."""
    asked.later = True
    return HttpResponse("done")


def _later(**_: object) -> None:
    if getattr(asked, "later", False):
        asked.later = False
        fetch(1)


request_finished.connect(_later)

urlpatterns = [
    *urls.urlpatterns,
    path("thread-per-job/", thread_per_job),
    path("executor-in-with/", executor_in_with),
    path("executor-kept/", executor_kept),
    path("to-thread/", to_thread),
    path("after-response/", after_response),
]
