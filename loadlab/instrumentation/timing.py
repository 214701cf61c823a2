"""Times every request that Django answers, in every handler."""

from __future__ import annotations

from functools import wraps
from http import HTTPStatus
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler

from loadlab.instrumentation import current
from loadlab.instrumentation.holding import name_earlier
from loadlab.instrumentation.importing import when_imported
from loadlab.instrumentation.work import COMING, RUNNING, UNIT, UNNAMED, Work, become, present
from loadlab.model.metrics import HTTP_METHODS, OTHER, ROOT, STATUS_CLASSES, UNMATCHED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import ModuleType

    from django.http import HttpRequest, HttpResponseBase

COUNTS: Final = "_loadlab_counts"
INSTALLED: Final = "_loadlab_times"
_METHODS: Final = frozenset(HTTP_METHODS)
_CLASSES: Final = {int(label[0]): label for label in STATUS_CLASSES}
_BY_STATUS: Final = {int(status): _CLASSES[status // 100] for status in HTTPStatus}
_FAULT: Final = _CLASSES[5]


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
    setattr(request, COUNTS, False)


def _announced(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def announced(handler: BaseHandler, environ: Any, start_response: Any) -> Any:  # noqa: ANN401  WSGI's
        maker = present()  # as in _announce: a call would cost more than all that it does
        become({COMING: maker if maker and RUNNING in maker else None})
        return call(handler, environ, start_response)

    return announced


def _announced_async(call: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    @wraps(call)
    # With ASGI's own names, which daphne uses; and all required: uvicorn takes what it can call without for a factory.
    async def announced(handler: BaseHandler, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        _announce()
        await call(handler, scope, receive, send)

    return announced


def _announce() -> None:
    """All threads and tasks of the request inherit what the caller works for from now on."""
    maker = present()
    become({COMING: maker if maker and RUNNING in maker else None})


def _begun() -> tuple[Work, Work | None]:
    """The request that is answered from now on, and the one that makes it, if any."""
    work = present()
    if work is not None and COMING in work:
        maker: Any = work.pop(COMING)
        work[RUNNING] = None
        return work, maker
    begun: Work = {RUNNING: None}
    become(begun)
    return begun, work


def _timed(get_response: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @wraps(get_response)
    def timed(handler: BaseHandler, request: HttpRequest) -> HttpResponseBase:
        work = present()
        maker: Any
        if work is not None and COMING in work:  # as in _begun, and as fast as can be
            maker = work.pop(COMING)
            work[RUNNING] = None
        elif hasattr(request, COUNTS):  # a handler within another one's
            return get_response(handler, request)
        else:
            work, maker = _begun()
        request._loadlab_counts = True  # type: ignore[attr-defined]  # noqa: SLF001  COUNTS
        work[UNIT] = request  # until it is answered, and its route is known
        begun_ns = monotonic_ns()
        try:
            response = get_response(handler, request)
        except BaseException as error:
            _count(request, work, _class_of(error), begun_ns)
            raise
        finally:
            del work[RUNNING]
            if maker and RUNNING in maker:
                become(maker)
        _count(request, work, _BY_STATUS.get(response.status_code) or _class_of_status(response), begun_ns)
        return response

    setattr(timed, INSTALLED, True)
    return timed


def _timed_async(get_response: Callable[..., Awaitable[HttpResponseBase]]) -> Callable[..., Any]:
    @wraps(get_response)
    async def timed(handler: BaseHandler, request: HttpRequest) -> HttpResponseBase:
        if hasattr(request, COUNTS):
            return await get_response(handler, request)
        request._loadlab_counts = True  # type: ignore[attr-defined]  # noqa: SLF001
        work, maker = _begun()
        work[UNIT] = request  # until it is answered, and its route is known
        begun_ns = monotonic_ns()
        try:
            response = await get_response(handler, request)
        except BaseException as error:
            _count(request, work, _class_of(error), begun_ns)
            raise
        finally:
            del work[RUNNING]
            if maker and RUNNING in maker:
                become(maker)
        _count(request, work, _BY_STATUS.get(response.status_code) or _class_of_status(response), begun_ns)
        return response

    return timed


def _class_of_status(response: HttpResponseBase) -> str:
    return _CLASSES.get(response.status_code // 100, OTHER)


def _class_of(error: BaseException) -> str:
    """Of an exception the server makes a 500. What is none ends the request: its client or its worker is gone."""
    return _FAULT if isinstance(error, Exception) else OTHER


def _count(request: HttpRequest, work: Work, status_class: str, begun_ns: int) -> None:
    """By the route as the URL patterns are written, which have no ids in them."""
    duration_ns = monotonic_ns() - begun_ns
    match = request.resolver_match
    route = UNMATCHED if match is None else match.route or ROOT
    work[UNIT] = route
    if UNNAMED in work:
        name_earlier(work)
    if request._loadlab_counts:  # type: ignore[attr-defined]  # noqa: SLF001
        method = request.method
        if method not in _METHODS:
            method = OTHER
        current.request_times().add(route, method, status_class, duration_ns)
