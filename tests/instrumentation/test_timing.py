"""Timing inside Django: what a request counts as, in every way in which Django answers one."""

from __future__ import annotations

import asyncio
import inspect
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import django
import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import include, path, re_path

from loadlab.instrumentation import current, timing
from loadlab.instrumentation.request_times import RequestTimes
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.instrumentation.views import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

django.setup()


def entry(request: Any, **_: Any) -> HttpResponse:
    return HttpResponse("text")


async def asynchronous(request: Any) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse("text")


def broken(request: Any) -> HttpResponse:
    raise RuntimeError("broken on purpose")


def forbidden(request: Any) -> HttpResponse:
    raise PermissionDenied


def ended(request: Any) -> HttpResponse:
    raise SystemExit(1)  # as gunicorn has it when it aborts a worker


def elsewhere(request: Any) -> HttpResponse:
    return HttpResponseRedirect("/")


def teapot(request: Any, number: int) -> HttpResponse:
    return HttpResponse(status=number)


def asks_itself(request: Any) -> HttpResponse:
    return HttpResponse(Client().get("/entries/5/").content)


def passed_on(request: Any) -> HttpResponse:
    """A handler within a handler: the same request goes through both."""
    request.path_info = "/entries/5/"
    return WSGIHandler().get_response(request)


urlpatterns = [
    path("", entry),
    path("entries/<int:pk>/", entry),
    re_path(r"^archive/(?P<year>[0-9]{4})/$", entry),
    path("shop/", include([path("<slug:name>/", entry)])),
    path("async/", asynchronous),
    path("broken/", broken),
    path("forbidden/", forbidden),
    path("ended/", ended),
    path("elsewhere/", elsewhere),
    path("status/<int:number>/", teapot),
    path("asks-itself/", asks_itself),
    path("passed-on/", passed_on),
    path("streams/", lambda _: StreamingHttpResponse(iter(["a", "b"]))),
    path("metrics", metrics),
]


class Maintenance:
    """Middleware that answers before any URL is looked at."""

    def __init__(self, get_response: Callable[[Any], HttpResponse]) -> None: ...

    def __call__(self, request: Any) -> HttpResponse:
        return HttpResponse(status=503)


@pytest.fixture
def counts(ledgers: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], dict[tuple[str, str, str], int]]]:
    """Django with its requests timed; what has been counted."""
    monkeypatch.setattr(current.mine, "request_times", RequestTimes(ledgers))
    for name in ("get_response", "get_response_async"):
        monkeypatch.setattr(BaseHandler, name, getattr(BaseHandler, name))
    timing.install()
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[], ALLOWED_HOSTS=["*"]):
        yield lambda: {
            (one.route, one.method, one.status_class): one.requests for one in RequestTotals(ledgers).read().answered
        }


def in_turn(address: str, method: str) -> None:
    Client(raise_request_exception=False).generic(method, address)


def by_asgi(address: str, method: str) -> None:
    asyncio.run(AsyncClient(raise_request_exception=False).generic(method, address))


both = pytest.mark.parametrize("ask", [in_turn, by_asgi], ids=["WSGI", "ASGI"])


@both
@pytest.mark.parametrize(
    ("address", "route", "status_class"),
    [
        ("/", "/", "2xx"),
        ("/entries/7/", "entries/<int:pk>/", "2xx"),
        ("/archive/2013/", "^archive/(?P<year>[0-9]{4})/$", "2xx"),
        ("/shop/any-name/?q=secret", "shop/<slug:name>/", "2xx"),
        ("/async/", "async/", "2xx"),
        ("/elsewhere/", "elsewhere/", "3xx"),
        ("/forbidden/", "forbidden/", "4xx"),
        ("/status/418/", "status/<int:number>/", "4xx"),
        ("/broken/", "broken/", "5xx"),
        ("/status/204/", "status/<int:number>/", "2xx"),
        ("/streams/", "streams/", "2xx"),
        ("/nothing/here/", "unmatched", "4xx"),
    ],
)
def test_a_request_counts_by_its_pattern_and_never_by_its_address(
    counts: Any, ask: Any, address: str, route: str, status_class: str
) -> None:
    ask(address, "GET")
    assert counts() == {(route, "GET", status_class): 1}


@both
@pytest.mark.parametrize(("method", "label"), [("post", "POST"), ("PROPFIND", "other"), ("HEAD", "HEAD")])
def test_methods_are_http_s_own_or_other(counts: Any, ask: Any, method: str, label: str) -> None:
    ask("/entries/7/", method)
    assert counts() == {("entries/<int:pk>/", label, "2xx"): 1}


@both
def test_what_middleware_answers_itself_has_no_route(counts: Any, ask: Any) -> None:
    with override_settings(MIDDLEWARE=[f"{__name__}.Maintenance"]):
        ask("/entries/7/", "GET")
    assert counts() == {("unmatched", "GET", "5xx"): 1}


@both
def test_an_exception_that_leaves_django_counts_as_a_fault_and_goes_on(counts: Any, ask: Any) -> None:
    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True), pytest.raises(RuntimeError, match="on purpose"):
        ask("/broken/", "GET")
    assert counts() == {("broken/", "GET", "5xx"): 1}


def test_a_worker_that_is_told_to_end_in_a_request_counts_it_as_other(counts: Any) -> None:
    with pytest.raises(SystemExit):
        in_turn("/ended/", "GET")
    assert counts() == {("ended/", "GET", "other"): 1}


def test_a_client_that_goes_away_leaves_a_request_that_counts_as_other(counts: Any) -> None:
    """Under ASGI Django cancels what it does for a client that has gone."""

    async def ask_and_leave() -> None:
        handler = ASGIHandler()
        request = RequestFactory().get("/waits/")
        task = asyncio.create_task(handler.get_response_async(request))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    began = asyncio.Event()

    async def waits(_: Any) -> HttpResponse:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError("must not be set")

    urlpatterns.append(path("waits/", waits))
    try:
        asyncio.run(ask_and_leave())
    finally:
        urlpatterns.pop()
    assert counts() == {("waits/", "GET", "other"): 1}


def test_a_request_that_a_view_makes_is_another_request(counts: Any) -> None:
    in_turn("/asks-itself/", "GET")
    assert counts() == {("asks-itself/", "GET", "2xx"): 1, ("entries/<int:pk>/", "GET", "2xx"): 1}


def test_a_request_that_goes_through_two_handlers_counts_once(counts: Any) -> None:
    in_turn("/passed-on/", "GET")
    assert sum(counts().values()) == 1


def test_an_asynchronous_handler_over_a_synchronous_one_counts_once(counts: Any) -> None:
    class Adapter(ASGIHandler):
        async def get_response_async(self, request: Any) -> Any:
            return await sync_to_async(WSGIHandler().get_response)(request)

    request = RequestFactory().get("/entries/5/")
    asyncio.run(Adapter().get_response_async(request))
    assert counts() == {("entries/<int:pk>/", "GET", "2xx"): 1}


def test_to_ask_for_the_metrics_changes_none_of_them(counts: Any) -> None:
    for method in ("GET", "POST"):
        in_turn("/metrics", method)
    assert counts() == {}


def test_installing_twice_counts_once(counts: Any) -> None:
    timing.install()
    in_turn("/", "GET")
    assert counts() == {("/", "GET", "2xx"): 1}


def test_requests_are_timed_though_another_wrapped_the_method_first(
    counts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    django_s_own = BaseHandler.get_response.__wrapped__  # type: ignore[attr-defined]

    @wraps(django_s_own)
    def traced(self: Any, request: Any) -> Any:
        seen.append(request.path)
        return django_s_own(self, request)

    seen: list[str] = []
    monkeypatch.setattr(BaseHandler, "get_response", traced)
    timing.install()
    in_turn("/", "GET")
    assert (counts(), seen) == ({("/", "GET", "2xx"): 1}, ["/"])


def test_the_time_is_that_of_the_view_and_not_that_of_the_stream(counts: Any, ledgers: Path) -> None:
    """Told by a clock of the test's own: seven nanoseconds between its two readings."""
    readings = iter([100, 107])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "monotonic_ns", lambda: next(readings))
        response = Client().get("/streams/")
        assert list(readings) == []
    assert b"".join(response) == b"ab"  # type: ignore[arg-type]
    (one,) = RequestTotals(ledgers).read().answered
    assert one.seconds == pytest.approx(7e-9)


def test_a_status_beyond_http_s_own_is_other(counts: Any) -> None:
    def odd(_: Any) -> HttpResponse:
        response = HttpResponse(status=HTTPStatus.OK)
        response.status_code = 799
        return response

    urlpatterns.append(path("odd/", odd))
    try:
        in_turn("/odd/", "GET")
    finally:
        urlpatterns.pop()
    assert counts() == {("odd/", "GET", "other"): 1}


def test_the_handlers_that_servers_call_keep_their_signatures() -> None:
    """uvicorn takes an application that can be called without arguments for a factory; daphne calls it by name."""  # noqa: D403
    timing.install()
    taken = {
        handler: list(inspect.signature(handler.__call__, follow_wrapped=False).parameters)[1:]
        for handler in (WSGIHandler, ASGIHandler)
    }
    assert taken == {WSGIHandler: ["environ", "start_response"], ASGIHandler: ["scope", "receive", "send"]}
