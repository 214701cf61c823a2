"""One request counts once on each alias, however its connections end and wherever it works."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Any

import django
import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections
from django.db.utils import ConnectionHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncRequestFactory, Client, RequestFactory, override_settings
from django.urls import path
from patience import PATIENCE_SECONDS

from loadlab.instrumentation import counting, current, timing, work
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.ledger import Ledger
from loadlab.model.metrics import UnitKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from django.dispatch import Signal

django.setup()

REQUESTS = 4


def query(alias: str = "default") -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")


def task(**_: Any) -> None:
    with work.unit(UnitKind.TASK):
        query()


def plain(_: Any) -> HttpResponse:
    query()
    query()
    return HttpResponse()


def closes_old(_: Any) -> HttpResponse:
    query()
    close_old_connections()
    query()
    return HttpResponse()


def reconnects(_: Any) -> HttpResponse:
    query()
    connections["default"].close()
    connections["default"].connect()
    query()
    return HttpResponse()


def streams(_: Any) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        for _ in range(3):
            query()
            close_old_connections()
            yield b"x"

    return StreamingHttpResponse(parts())


def streams_with_tasks(_: Any) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        for _ in range(2):
            query()
            task()
            query()
            yield b"x"

    return StreamingHttpResponse(parts())


async def streams_async(_: Any) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            await sync_to_async(query)()
            yield b"x"

    return StreamingHttpResponse(parts())


async def gathers(_: Any) -> HttpResponse:
    """As the ORM's asynchronous methods do it."""
    await asyncio.gather(*[sync_to_async(query)() for _ in range(3)])
    return HttpResponse()


def in_a_request_of_its_own(_: Any) -> HttpResponse:
    query()
    Client().get("/plain")
    close_old_connections()
    query()
    return HttpResponse()


async def in_threads(_: Any) -> HttpResponse:
    """On connections of several threads at once, which no signal of Django's reaches."""
    at_once = threading.Barrier(3)

    def together() -> None:
        query()
        at_once.wait(PATIENCE_SECONDS)

    await asyncio.gather(*[sync_to_async(together, thread_sensitive=False)() for _ in range(3)])
    return HttpResponse()


async def one_after_another(_: Any) -> HttpResponse:
    """As channels' database_sync_to_async does it."""

    def as_channels() -> None:
        close_old_connections()
        query()
        close_old_connections()

    for _ in range(3):
        await sync_to_async(as_channels)()
    return HttpResponse()


def of_two_aliases(_: Any) -> HttpResponse:
    query()
    query("second")
    query()
    return HttpResponse()


def of_none(_: Any) -> HttpResponse:
    return HttpResponse()


VIEWS: list[Callable[..., Any]] = [
    *(plain, closes_old, reconnects, streams, streams_async),
    *(gathers, in_threads, one_after_another),
]
OTHERS: list[Callable[..., Any]] = [in_a_request_of_its_own, of_two_aliases, of_none, streams_with_tasks]
urlpatterns = [path(view.__name__, view) for view in [*VIEWS, *OTHERS]]


class LikeASession:
    """Middleware that closes old connections around what it does itself."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        close_old_connections()
        query()
        close_old_connections()
        response = self.get_response(request)
        query()
        close_old_connections()
        return response


@pytest.fixture(params=[0, None], ids=["closed", "kept"])
def count(
    request: pytest.FixtureRequest, tmp_path: Path, ledgers: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., int]]:
    """Django's connections lead to two databases of ours; how many requests each has counted."""
    entry = {"ENGINE": "django.db.backends.sqlite3", "CONN_MAX_AGE": request.param}
    handler = ConnectionHandler(
        {"default": {**entry, "NAME": str(tmp_path / "1")}, "second": {**entry, "NAME": str(tmp_path / "2")}}
    )
    monkeypatch.setattr(connections, "_settings", handler._settings)  # type: ignore[attr-defined]
    monkeypatch.setattr(connections, "settings", handler.settings)
    monkeypatch.setattr(connections, "_connections", handler._connections)  # type: ignore[attr-defined]
    monkeypatch.setattr(connections, "create_connection", connections.create_connection)
    monkeypatch.setattr(current.mine, "ledger", Ledger(ledgers))
    counting.install()
    timing.install()

    def counted(alias: str = "default") -> int:
        aliases = CounterSet(ledgers).read().aliases
        if alias not in aliases:
            return 0
        return aliases[alias].requests_opened + aliases[alias].requests_reused

    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[]):
        yield counted
    connections.close_all()


def by_wsgi(name: str) -> None:
    response = WSGIHandler()(RequestFactory().get(f"/{name}").environ, lambda *_: None)
    for _ in response:
        pass
    response.close()  # type: ignore[attr-defined]


def by_asgi(name: str) -> None:
    async def receive() -> Any:
        if first:
            return first.pop()
        await asyncio.Event().wait()
        return None

    async def send(_: Any) -> None: ...

    first = [{"type": "http.request", "body": b"", "more_body": False}]
    # As a server has it: in a context that knows no earlier request.
    Context().run(asyncio.run, ASGIHandler()(AsyncRequestFactory().get(f"/{name}").scope, receive, send))


ways = pytest.mark.parametrize("ask", [by_wsgi, by_asgi])
pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")


@ways
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_a_request_counts_once(count: Callable[..., int], ask: Callable[[str], None], view: Callable[..., Any]) -> None:
    for _ in range(REQUESTS):
        ask(view.__name__)
    assert count() == REQUESTS


@ways
def test_a_request_counts_once_behind_middleware_that_queries(
    count: Callable[..., int], ask: Callable[[str], None]
) -> None:
    with override_settings(MIDDLEWARE=[f"{__name__}.LikeASession"]):
        for _ in range(REQUESTS):
            ask("closes_old")
    assert count() == REQUESTS


@ways
def test_a_request_counts_once_on_each_alias_and_nowhere_without_a_query(
    count: Callable[..., int], ask: Callable[[str], None]
) -> None:
    ask("of_two_aliases")
    ask("of_none")
    assert (count(), count("second")) == (1, 1)


def test_a_request_that_a_view_makes_is_another_and_the_view_s_own_goes_on(count: Callable[..., int]) -> None:
    for _ in range(REQUESTS):
        by_wsgi("in_a_request_of_its_own")
    assert count() == 2 * REQUESTS


@contextmanager
def listening(signal: Signal, audit: Callable[..., None] = lambda **_: query()) -> Iterator[None]:
    signal.connect(audit, weak=False)
    try:
        yield
    finally:
        signal.disconnect(audit)


@ways
@pytest.mark.parametrize("signal", [request_started, request_finished], ids=["begin", "end"])
@pytest.mark.parametrize("view", ["plain", "of_none", "streams_async"])
def test_what_listens_for_a_request_s_signals_belongs_to_it(
    count: Callable[..., int], ask: Callable[[str], None], signal: Signal, view: str
) -> None:
    with listening(signal):
        for _ in range(REQUESTS):
            ask(view)
    assert count() == REQUESTS


def test_a_request_counts_once_around_the_tasks_of_its_stream(count: Callable[..., int]) -> None:
    for _ in range(REQUESTS):
        by_wsgi("streams_with_tasks")
    assert count() == (1 + 2) * REQUESTS


@ways
def test_a_request_counts_once_after_a_task_that_its_start_has_done(
    count: Callable[..., int], ask: Callable[[str], None]
) -> None:
    with listening(request_started, task), listening(request_started):
        for _ in range(REQUESTS):
            ask("plain")
    assert count() == (1 + 1) * REQUESTS


def test_outside_of_requests_work_ends_when_django_is_told_so(count: Callable[..., int]) -> None:
    def tasks() -> None:
        for _ in range(REQUESTS):
            close_old_connections()
            query()
            query()
            close_old_connections()

    thread = threading.Thread(target=tasks)
    thread.start()
    thread.join()
    assert count() == REQUESTS
