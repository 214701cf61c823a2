"""Leases of threads: who gets which, who waits, and what comes back from requests that end in any way."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from every import every
from patience import PATIENCE_SECONDS

from loadlab.fixes import leased_threads as fix
from loadlab.fixes.leased_threads import LeasingApplication, leased_threads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HTTP = {"type": "http"}


async def ask(application: Any, scope: Any = HTTP) -> None:
    await application(scope, None, None)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110  a state without a notification
            await asyncio.sleep(0.005)


class Site:
    """An application whose requests note the thread of their synchronous code, and wait where they are told to.

    It enters a context as Django's handler does, which must not go before the lease.
    """

    def __init__(self, threads: int, during: Callable[[], Awaitable[object]] | None = None) -> None:
        self.seen: list[int] = []
        self.scopes: list[str] = []
        self._during = during
        self.application: LeasingApplication = leased_threads(self._serve, threads)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope["type"])
        async with ThreadSensitiveContext():
            self.seen.append(await sync_to_async(threading.get_ident)())
            if self._during is not None:
                await self._during()

    def state(self) -> tuple[int, int]:
        leases = self.application.leases()
        return leases.leased, leases.waiting


def test_sequential_requests_share_one_thread() -> None:
    site = Site(4)

    async def requests() -> None:
        for _ in range(10):
            await ask(site.application)

    asyncio.run(requests())
    assert len(site.seen) == 10
    assert len(set(site.seen)) == 1
    assert threading.get_ident() not in site.seen


def test_concurrent_requests_take_all_threads_and_the_rest_wait() -> None:
    async def requests() -> None:
        go = asyncio.Event()
        site = Site(3, go.wait)
        asking = [asyncio.create_task(ask(site.application)) for _ in range(8)]
        await until(lambda: len(site.seen) == 3 and site.state() == (3, 5))
        go.set()
        await asyncio.gather(*asking)
        assert len(site.seen) == 8
        assert len(set(site.seen)) == 3
        leases = site.application.leases()
        assert (leases.threads, leases.leased, leases.waiting, leases.waits) == (3, 0, 0, 5)
        assert leases.waited_seconds > 0

    asyncio.run(requests())


def test_no_request_waits_while_a_thread_is_free() -> None:
    site = Site(1)
    asyncio.run(ask(site.application))
    assert (site.application.leases().waits, site.application.leases().waited_seconds) == (0, 0.0)


def test_a_request_that_fails_gives_its_thread_back() -> None:
    async def fail() -> None:
        raise LookupError("the view's own")

    site = Site(1, fail)

    async def requests() -> None:
        for _ in range(3):
            with pytest.raises(LookupError, match="the view's own"):
                await ask(site.application)

    asyncio.run(requests())
    assert (len(set(site.seen)), site.state()) == (1, (0, 0))


def test_a_cancelled_request_keeps_its_thread_until_that_is_done() -> None:
    async def requests() -> None:
        go, begun = threading.Event(), threading.Event()
        order: list[str] = []

        def slow_view() -> None:
            begun.set()
            go.wait(PATIENCE_SECONDS)
            order.append("first")

        site = Site(1, sync_to_async(slow_view))
        first = asyncio.create_task(ask(site.application))
        await until(begun.is_set)
        first.cancel()
        second = asyncio.create_task(ask(leased_after(site, order)))
        with pytest.raises(asyncio.CancelledError):
            await first
        await until(lambda: site.state() == (1, 1))
        go.set()
        await second
        assert order == ["first", "second"]
        assert site.state() == (0, 0)

    asyncio.run(requests())


def leased_after(site: Site, order: list[str]) -> Any:
    """Ask the same application, for a request that only notes that it was served."""

    async def note() -> None:
        order.append("second")

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        site._during = note
        await site.application(scope, receive, send)

    return asked


def test_a_request_that_is_cancelled_while_it_waits_leaves_the_queue() -> None:
    async def requests() -> None:
        go = asyncio.Event()
        site = Site(1, go.wait)
        first, second, third = (asyncio.create_task(ask(site.application)) for _ in range(3))
        await until(lambda: site.state() == (1, 2))
        second.cancel()
        await until(lambda: site.state() == (1, 1))
        go.set()
        await asyncio.gather(first, third)
        assert second.cancelled()
        assert len(site.seen) == 2
        assert site.state() == (0, 0)

    asyncio.run(requests())


def test_a_thread_that_comes_to_a_request_too_late_goes_to_the_next() -> None:
    async def requests() -> None:
        go = asyncio.Event()
        site = Site(1, go.wait)
        first, second, third = (asyncio.create_task(ask(site.application)) for _ in range(3))
        await until(lambda: site.state() == (1, 2))
        go.set()
        await first  # its thread has been called up for the second by now
        second.cancel()
        await third
        assert len(set(site.seen)) == 1
        assert site.state() == (0, 0)

    asyncio.run(requests())


def test_requests_of_several_event_loops_share_the_threads() -> None:
    go = threading.Event()
    inside = 0
    most = 0
    mutex = threading.Lock()

    def view() -> None:
        nonlocal inside, most
        with mutex:
            inside += 1
            most = max(most, inside)
        go.wait(PATIENCE_SECONDS)
        with mutex:
            inside -= 1

    site = Site(2, sync_to_async(view))

    async def several() -> None:
        await asyncio.gather(*(ask(site.application) for _ in range(4)))

    loops = [threading.Thread(target=lambda: asyncio.run(several())) for _ in range(3)]
    for loop in loops:
        loop.start()
    asyncio.run(until(lambda: (site.state(), inside) == ((2, 10), 2)))  # leased, and in its view
    go.set()
    for loop in loops:
        loop.join(PATIENCE_SECONDS)
    assert (len(site.seen), len(set(site.seen)), most) == (12, 2, 2)
    assert site.state() == (0, 0)


def test_a_loop_closed_while_a_request_waits_loses_no_thread() -> None:
    go = threading.Event()
    site = Site(1, sync_to_async(lambda: go.wait(PATIENCE_SECONDS)))
    holder = threading.Thread(target=lambda: asyncio.run(ask(site.application)))
    holder.start()
    asyncio.run(until(lambda: site.state() == (1, 0)))
    loop = asyncio.new_event_loop()
    waiting = site.application._threads.lease()
    waiting_task = loop.create_task(waiting)
    loop.run_until_complete(until(lambda: site.state() == (1, 1)))
    loop.close()
    go.set()
    holder.join(PATIENCE_SECONDS)
    asyncio.run(ask(site.application))
    waiting_task._log_destroy_pending = False  # type: ignore[attr-defined]  # abandoned on purpose
    assert len(site.seen) == 2
    assert site.state()[0] == 0


@every(("context", "works"), [(None, False), (contextvars.Context(), True)], ids=["own", "fresh"])
def test_a_task_that_outlives_its_request_needs_a_fresh_context(
    context: contextvars.Context | None,
    works: bool,  # noqa: FBT001
) -> None:
    async def requests() -> None:
        over = asyncio.Event()

        async def afterwards() -> int:
            await over.wait()
            return await sync_to_async(threading.get_ident)()

        tasks: list[asyncio.Task[int]] = []

        async def leave_a_task() -> None:
            tasks.append(asyncio.create_task(afterwards(), context=context))

        site = Site(1, leave_a_task)
        await ask(site.application)
        over.set()
        (outcome,) = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(outcome, int if works else RuntimeError)

    asyncio.run(requests())


@every("kind", ["lifespan", "websocket"])
def test_other_scopes_than_http_pass_without_a_thread(kind: str) -> None:
    async def requests() -> None:
        go = asyncio.Event()
        site = Site(1, go.wait)
        holder = asyncio.create_task(ask(site.application))
        await until(lambda: site.state() == (1, 0))
        passing = asyncio.create_task(ask(site.application, {"type": kind}))
        await until(lambda: kind in site.scopes)
        assert site.state() == (1, 0)
        go.set()
        await asyncio.gather(holder, passing)

    asyncio.run(requests())


def test_the_number_comes_from_the_settings_unless_it_is_given() -> None:
    with override_settings(LOADLAB_FIXES={"leased_threads": {"threads": 5}}):
        assert leased_threads(ask).leases().threads == 5
        assert leased_threads(ask, threads=2).leases().threads == 2
    with pytest.raises(ImproperlyConfigured, match="threads should be a whole number, 1 or more, not 0"):
        leased_threads(ask, threads=0)


def test_an_asgiref_that_cannot_is_refused_with_the_version_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fix, "ThreadSensitiveContext", type("ThreadSensitiveContext", (), {}))
    with pytest.raises(ImproperlyConfigured, match=r"needs asgiref 3\.13 or newer, and this is .*pip install"):
        leased_threads(ask)
