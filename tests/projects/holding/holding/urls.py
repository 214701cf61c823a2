"""Views that each hold a connection in one way."""

from __future__ import annotations

import gc
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from django.db import connection, connections, transaction
from django.db.utils import ConnectionHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from holding.asking import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest

KEPT: Final[list[Any]] = []  # as a debug tool keeps what it has seen
GO_ON: Final = threading.Event()
REFRESH_SECONDS: Final = 3600.0


def ready(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ready")


def one(request: HttpRequest) -> HttpResponse:
    ask()
    return HttpResponse(str(os.getpid()))


def kept(request: HttpRequest) -> HttpResponse:
    ask()
    KEPT.append(connections["default"])
    return HttpResponse("kept")


def copied(request: HttpRequest) -> HttpResponse:
    KEPT.append(connection.copy())
    ask(KEPT[-1])
    return HttpResponse("copied")


def another_handler(request: HttpRequest) -> HttpResponse:
    KEPT.append(ConnectionHandler(connections.settings)["reports"])
    ask(KEPT[-1])
    return HttpResponse("made")


def _refresh() -> None:
    while not GO_ON.wait(REFRESH_SECONDS):
        ask(connections["reports"])


def refresh_for_ever() -> None:
    ask(connections["reports"])
    _refresh()


def refreshed(request: HttpRequest) -> HttpResponse:
    threading.Thread(target=refresh_for_ever, daemon=True).start()
    return HttpResponse("started")


def job(request: HttpRequest) -> HttpResponse:
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return HttpResponse("done")


def _rows() -> Iterator[str]:
    ask()
    yield "a row\n"
    raise ValueError("a bad row")


def failing_stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_rows())


def collected(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(gc.collect()))


def waits(request: HttpRequest) -> HttpResponse:
    """As if for another service, in a transaction."""
    with transaction.atomic():
        ask()
        GO_ON.wait()
    return HttpResponse("waited")


def go_on(request: HttpRequest) -> HttpResponse:
    GO_ON.set()
    return HttpResponse("said")


urlpatterns = [
    path("ready/", ready),
    path("one/", one),
    path("kept/", kept),
    path("copied/", copied),
    path("another-handler/", another_handler),
    path("refreshed/", refreshed),
    path("job/", job),
    path("failing-stream/", failing_stream),
    path("collected/", collected),
    path("waits/", waits),
    path("go-on/", go_on),
]
