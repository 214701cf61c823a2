"""Makes persistent connections work under ASGI: each request leases one of a few threads that live on.

The discussion of 2013 does not have it. Django's ASGI handler runs the synchronous code of each request in a new
thread, whose connection no later request finds; asgiref 3.13 lets a caller say which thread it is to be.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import ThreadSensitiveContext
from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

from loadlab.fixes._parameters import number, parameters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    ASGIApplication = Callable[[Any, Any, Any], Awaitable[None]]

FIX: Final = "leased_threads"


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaseParameters:
    """`threads`: how many there are in each process, and so how many requests are under way in it at once."""

    threads: int = 8

    def __post_init__(self) -> None:
        if not isinstance(self.threads, int) or not number(self.threads, 1):
            raise ValueError(f"threads should be a whole number, 1 or more, not {self.threads!r}")


class LeasedThreads(AppConfig):
    """Only checks what asgi.py is going to need, in every process and management command."""

    name = "loadlab.fixes.leased_threads"
    label = "loadlab_leased_threads"
    verbose_name = "threads that requests under ASGI lease"
    ends_leak_in = ("asgi",)

    def ready(self) -> None:
        parameters(FIX, LeaseParameters)
        _require_executors()


def leased_threads(application: ASGIApplication, threads: int | None = None) -> LeasingApplication:
    """The application of asgi.py, with `threads` threads for the synchronous code of its HTTP requests.

    Without `threads`, as many as LOADLAB_FIXES says, or 8.

    Raises:
        ImproperlyConfigured: asgiref is too old, or the number is none.
    """
    _require_executors()
    if threads is None:
        return LeasingApplication(application, parameters(FIX, LeaseParameters).threads)
    try:
        return LeasingApplication(application, LeaseParameters(threads=threads).threads)
    except ValueError as error:
        raise ImproperlyConfigured(f"leased_threads(): {error}") from error


def _require_executors() -> None:
    if "executor" not in inspect.signature(ThreadSensitiveContext).parameters:
        raise ImproperlyConfigured(
            f"leased_threads needs asgiref 3.13 or newer, and this is {version('asgiref')}: pip install 'asgiref>=3.13'"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Leases:
    """What a process's threads are doing: `leased` of `threads` are with requests, `waiting` requests have none yet.

    `waits` requests have had to wait for one so far, for `waited_seconds` altogether.
    """

    threads: int
    leased: int
    waiting: int
    waits: int
    waited_seconds: float


class LeasingApplication:
    """An ASGI application in front of another. Everything but HTTP requests passes through."""

    def __init__(self, application: ASGIApplication, threads: int) -> None:
        self._application = application
        self._threads = _Threads(threads)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's own shapes
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        thread = await self._threads.lease()
        try:
            # An outer context with an executor goes before the one that Django's handler enters.
            async with ThreadSensitiveContext(executor=thread):
                await self._application(scope, receive, send)
        finally:
            self._threads.give_back(thread)

    def leases(self) -> Leases:
        return self._threads.leases()


class _Thread(ThreadPoolExecutor):
    """One thread, and what it has been given to do and has not done yet."""

    def __init__(self) -> None:
        super().__init__(max_workers=1, thread_name_prefix="loadlab-leased")
        self._undone: set[Future[Any]] = set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        future = super().submit(fn, *args, **kwargs)
        self._undone.add(future)
        future.add_done_callback(self._undone.discard)
        return future

    def busy(self) -> bool:
        return bool(self._undone)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """A request that has no thread yet, and the loop that it waits in."""

    loop: asyncio.AbstractEventLoop
    thread: asyncio.Future[_Thread]


class _Threads:
    """Lends threads out, to requests of any event loop of the process; the last one back is the first to go out again.

    So a site that needs few of them opens few connections. Requests that find none wait in the order they came.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._made = 0
        self._idle: list[_Thread] = []
        self._waiting: deque[_Waiter] = deque()
        self._waits = 0
        self._waited_seconds = 0.0
        self._mutex = threading.Lock()

    def leases(self) -> Leases:
        with self._mutex:
            return Leases(
                threads=self._most,
                leased=self._made - len(self._idle),
                waiting=len(self._waiting),
                waits=self._waits,
                waited_seconds=self._waited_seconds,
            )

    async def lease(self) -> _Thread:
        loop = asyncio.get_running_loop()
        with self._mutex:
            if self._idle:
                return self._idle.pop()
            if self._made < self._most:
                self._made += 1
                return _Thread()
            waiter = _Waiter(loop, loop.create_future())
            self._waiting.append(waiter)
        return await self._awaited(waiter)

    async def _awaited(self, waiter: _Waiter) -> _Thread:
        started = time.monotonic()
        try:
            return await waiter.thread
        except BaseException:  # cancelled, or its loop is gone
            if waiter.thread.done() and not waiter.thread.cancelled():
                self._lend(waiter.thread.result())  # it came, and too late
            raise
        finally:
            with self._mutex:
                self._waits += 1
                self._waited_seconds += time.monotonic() - started
                with suppress(ValueError):  # where it has been called up already
                    self._waiting.remove(waiter)

    def give_back(self, thread: _Thread) -> None:
        """Lend it out again; not before it is done with what a request has left behind that was cancelled."""
        if not thread.busy():
            self._lend(thread)
            return
        with suppress(RuntimeError):  # Python ends, and no request needs it
            thread.submit(_nothing).add_done_callback(lambda _: self._lend(thread))

    def _lend(self, thread: _Thread) -> None:
        """To the request that has waited longest, if any."""
        with self._mutex:
            while self._waiting:
                waiter = self._waiting.popleft()
                with suppress(RuntimeError):  # its loop has been closed
                    waiter.loop.call_soon_threadsafe(self._hand_over, waiter, thread)
                    return
            self._idle.append(thread)

    def _hand_over(self, waiter: _Waiter, thread: _Thread) -> None:
        if waiter.thread.done():  # it has given up meanwhile
            self._lend(thread)
        else:
            waiter.thread.set_result(thread)


def _nothing() -> None:
    """Its end says that all that was to be done before it is done."""
