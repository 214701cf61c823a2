"""Which connections a fix closes, and which it leaves alone: on SQLite, in threads of this process."""

from __future__ import annotations

import gc
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from patience import PATIENCE_SECONDS

from loadlab.fixes import close_on_thread_exit, reap_dead_threads, worker_exit_hook
from loadlab.fixes._tracking import track
from loadlab.model.metrics import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.utils import ConnectionHandler


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def use(handler: ConnectionHandler) -> None:
    handler["default"].connect()


def by_sentinel(handler: ConnectionHandler) -> None:
    close_on_thread_exit.install(handler)


def by_sweep(handler: ConnectionHandler) -> None:
    reap_dead_threads.install(handler=handler)


each_fix = pytest.mark.parametrize("install", [by_sentinel, by_sweep])


@each_fix
def test_the_connection_of_a_thread_that_has_ended_is_closed(
    handler: ConnectionHandler, count: Any, install: Callable[[ConnectionHandler], None]
) -> None:
    install(handler)
    in_a_thread(partial(use, handler))
    handler["default"].connect()  # which is when a sweep is made
    assert (count().opened, count().open, count().closed[CloseReason.EXPLICIT]) == (2, 1, 1)


@each_fix
def test_one_that_threads_share_on_purpose_is_left_open(
    handler: ConnectionHandler, count: Any, install: Callable[[ConnectionHandler], None]
) -> None:
    install(handler)
    shared: list[Any] = []

    def share() -> None:
        shared.append(handler["default"])
        shared[0].connect()
        shared[0].inc_thread_sharing()

    in_a_thread(share)
    handler["default"].connect()
    assert count().open == 2
    assert shared[0].is_usable()
    shared[0].close()


@each_fix
def test_one_that_its_thread_has_closed_needs_no_closing(
    handler: ConnectionHandler, count: Any, install: Callable[[ConnectionHandler], None]
) -> None:
    install(handler)

    def work() -> None:
        handler["default"].connect()
        handler.close_all()

    in_a_thread(work)
    handler["default"].connect()
    assert (count().opened, count().closed[CloseReason.EXPLICIT]) == (2, 1)


@each_fix
def test_one_that_was_open_before_the_installation_is_known_too(
    handler: ConnectionHandler, count: Any, install: Callable[[ConnectionHandler], None]
) -> None:
    def work() -> None:
        handler["default"].connect()
        install(handler)

    in_a_thread(work)
    handler["default"].connect()
    assert (count().opened, count().closed[CloseReason.EXPLICIT]) == (2, 1)


def test_a_wrapper_of_ones_own_may_be_dropped_in_a_thread_that_lives_on(handler: ConnectionHandler, count: Any) -> None:
    by_sentinel(handler)
    by_sweep(handler)
    own = handler.create_connection("default")
    own.connect()
    dropped = weakref.ref(own)
    del own
    gc.collect()
    assert dropped() is None
    assert count().closed[CloseReason.GARBAGE_COLLECTED] == 1


def test_a_wrapper_of_ones_own_is_closed_with_its_thread_beside_djangos(handler: ConnectionHandler, count: Any) -> None:
    by_sentinel(handler)
    kept: list[Any] = []

    def work() -> None:
        kept.append(handler.create_connection("default"))
        kept[0].connect()
        handler["default"].connect()

    in_a_thread(work)
    assert count().closed[CloseReason.EXPLICIT] == 2


def test_the_hook_closes_the_connections_of_threads_that_live(handler: ConnectionHandler, count: Any) -> None:
    track(handler)
    opened, end = threading.Event(), threading.Event()

    def work() -> None:
        handler["default"].connect()
        opened.set()
        end.wait(PATIENCE_SECONDS)

    thread = threading.Thread(target=work)
    thread.start()
    opened.wait(PATIENCE_SECONDS)
    handler["other"].connect()
    worker_exit_hook.close_every_connection()
    assert count().open == 0
    end.set()
    thread.join()


def test_a_connection_that_does_not_close_is_logged_and_the_others_close(
    handler: ConnectionHandler, count: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    track(handler)

    def broken() -> None:
        raise OSError("the disk is gone")

    for alias in handler:
        handler[alias].connect()
    with monkeypatch.context() as patched:
        patched.setattr(handler["default"], "close", broken)
        worker_exit_hook.close_every_connection()
    assert handler["other"].connection is None
    assert "A connection of DATABASES['default'] did not close" in caplog.text
    assert "the disk is gone" in caplog.text


def test_the_hook_without_the_app_says_what_is_missing() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"add 'loadlab\.fixes\.worker_exit_hook\.W"):
        worker_exit_hook.worker_exit(None, None)
