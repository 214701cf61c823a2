"""Times every request that Django answers, in every handler."""

from __future__ import annotations

from functools import wraps
from http import HTTPStatus
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler

from loadlab.instrumentation import current
from loadlab.instrumentation.holders import name_earlier
from loadlab.instrumentation.importing import when_imported
from loadlab.instrumentation.request_times import NO_STATUS
from loadlab.instrumentation.work import COMING, ENDED, RUNNING, Work, become, coming, present
from loadlab.model.metrics import ROOT, UNMATCHED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import ModuleType

    from django.http import HttpRequest, HttpResponseBase

INSTALLED: Final = "_loadlab_times"


def install() -> None:
    """Time all requests from now on, those of handlers that exist already too.

    Every handler of Django's gets its responses from these two methods, under WSGI and ASGI, in tests too. Those of
    servers send Django's signal for the start of a request before that, and under ASGI the one for its end in another
    task: so a request begins when they are called.
    """
    if not hasattr(BaseHandler.get_response, INSTALLED):
        BaseHandler.get_response = _timed(BaseHandler.get_response)  # type: ignore[method-assign]
        BaseHandler.get_response_async = _timed_async(BaseHandler.get_response_async)  # type: ignore[method-assign]
        WSGIHandler.__call__ = _announced(WSGIHandler.__call__)  # type: ignore[method-assign]
        when_imported("django.core.handlers.asgi", _announce_async)  # not in every process


def _announce_async(module: ModuleType) -> None:
    module.ASGIHandler.__call__ = _announced_async(module.ASGIHandler.__call__)


def leave_out(request: HttpRequest) -> None:
    """Count this request nowhere."""
    work = present()
    if work is not None and work.request is request:
        work.request = None


def _announced(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def announced(handler: BaseHandler, environ: Any, start_response: Any) -> Any:  # noqa: ANN401  WSGI's
        maker = present()
        work = Work()  # as `coming` does: a call would cost as much as all that it does
        work.state = COMING
        work.pair = 0
        work.maker = maker if maker is not None and maker.state == RUNNING else None
        work.request = work.name = work.unnamed = None
        become(work)
        return call(handler, environ, start_response)

    return announced


def _announced_async(call: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    @wraps(call)
    # With ASGI's own names, which daphne uses; and all required: uvicorn takes what it can call without for a factory.
    async def announced(handler: BaseHandler, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        become(coming(present()))  # all threads and tasks of the request inherit it
        await call(handler, scope, receive, send)

    return announced


def _begun(request: HttpRequest) -> Work:
    """The request that is answered from now on."""
    work = present()
    if work is None or work.state != COMING:  # its server has not announced it
        maker, work = work, coming(None)
        work.maker = maker
        become(work)
    work.state = RUNNING
    work.request = request
    return work


def _timed(get_response: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @wraps(get_response)
    def timed(handler: BaseHandler, request: HttpRequest) -> HttpResponseBase:
        work = present()
        if work is not None and work.state == COMING:  # as in _begun, without a call
            work.state = RUNNING
            work.request = request
        elif work is not None and work.request is request:  # a handler within another one's
            return get_response(handler, request)
        else:
            work = _begun(request)
        status = NO_STATUS
        begun_ns = monotonic_ns()
        try:
            response = get_response(handler, request)
        except Exception:
            status = HTTPStatus.INTERNAL_SERVER_ERROR  # as the server will have it
            raise
        else:
            status = response.status_code
            return response
        finally:
            _ended(request, work, status, begun_ns)

    setattr(timed, INSTALLED, True)
    return timed


def _timed_async(get_response: Callable[..., Awaitable[HttpResponseBase]]) -> Callable[..., Any]:
    @wraps(get_response)
    async def timed(handler: BaseHandler, request: HttpRequest) -> HttpResponseBase:
        work = present()
        if work is not None and work.request is request:
            return await get_response(handler, request)
        work = _begun(request)
        status = NO_STATUS
        begun_ns = monotonic_ns()
        try:
            response = await get_response(handler, request)
        except Exception:
            status = HTTPStatus.INTERNAL_SERVER_ERROR  # as the server will have it
            raise
        else:
            status = response.status_code
            return response
        finally:
            _ended(request, work, status, begun_ns)

    return timed


def _ended(request: HttpRequest, work: Work, status: int, begun_ns: int) -> None:
    """Count the request by the route as the URL patterns are written, which have no ids in them."""
    duration_ns = monotonic_ns() - begun_ns
    match = request.resolver_match
    work.name = route = UNMATCHED if match is None else match.route or ROOT
    work.state = ENDED
    if work.unnamed is not None:
        name_earlier(work)
    maker = work.maker
    if maker is not None and maker.state == RUNNING:
        become(maker)
    if work.request is not None:  # or it is left out
        work.request = None
        mine = current.mine  # as current.request_times() does, without a call
        times = mine.request_times if mine.mark[0] else None
        (times or current.request_times()).add(route, request.method, status, duration_ns)
