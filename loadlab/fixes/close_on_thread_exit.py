"""Closes a connection when its thread or greenlet ends, as Shai Berger asked for in 2013.

A sentinel lies where Django's own wrapper lies: in `threading.local`, which CPython and gevent clear when a thread or
greenlet ends, whether or not garbage is collected.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import weakref
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.db import connections

from loadlab.fixes._closing import close_from_outside
from loadlab.fixes._parameters import NoParameters, parameters
from loadlab.wrapping import WrapperMixin, put_in_front

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.utils import ConnectionHandler


class CloseOnThreadExit(AppConfig):
    name = "loadlab.fixes.close_on_thread_exit"
    label = "loadlab_close_on_thread_exit"
    verbose_name = "close database connections when their thread ends"
    ends_leak_in = ("threaded", "gevent", "asgi", "wsgi")

    def ready(self) -> None:
        parameters("close_on_thread_exit", NoParameters)
        install()


def install(handler: ConnectionHandler = connections) -> None:
    """Close every connection that `handler` opens from now on when its thread ends."""
    put_in_front(SentinelMixin, handler)


class SentinelMixin(WrapperMixin):
    """Leaves a sentinel with the thread when it opens a connection."""

    otherwise = "stay open when their thread ends"

    def get_new_connection(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the types of backend and driver
        _watch(self)
        return super().get_new_connection(*args, **kwargs)

    def adopted(self) -> None:
        if self.connection is not None:
            _watch(self)


class Sentinel:
    """Closes the connection that its wrapper has when the place that holds the sentinel is gone.

    It does not keep the wrapper alive: code that makes its own wrappers in a long-lived thread may drop them.
    """

    __slots__ = ("_pid", "_wrapper")

    def __init__(self, wrapper: BaseDatabaseWrapper) -> None:
        self._pid = os.getpid()
        self._wrapper = weakref.ref(wrapper)

    def guarded(self) -> BaseDatabaseWrapper | None:
        """The wrapper; None once it is gone, or if it is another process's."""
        return self._wrapper() if os.getpid() == self._pid else None

    # Runs in a thread that is half gone, or in no greenlet at all: no logging and no threading.current_thread() in
    # here, and the one lock that is taken is the wrapper's own, which no code holds that this could interrupt.
    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        # A forked child clears the threads that it does not have, and would end the parent's sessions with them.
        wrapper = None if ending() else self.guarded()
        # One that is shared on purpose may be in use elsewhere.
        if wrapper is not None and not wrapper.allow_thread_sharing:
            with suppress(Exception):  # no caller is left to tell
                close_from_outside(wrapper)


_of_thread = threading.local()
_of_context: ContextVar[tuple[Sentinel, ...]] = ContextVar("loadlab_sentinels", default=())


def _watch(wrapper: BaseDatabaseWrapper) -> None:
    in_context = _in_event_loop()
    held: tuple[Sentinel, ...] = _of_context.get() if in_context else getattr(_of_thread, "sentinels", ())
    if any(sentinel.guarded() is wrapper for sentinel in held):
        return
    needed = (*(sentinel for sentinel in held if sentinel.guarded() is not None), Sentinel(wrapper))
    if in_context:
        _of_context.set(needed)
    else:
        _of_thread.sentinels = needed


def _in_event_loop() -> bool:
    """Whether an event loop runs in this thread: Django then has a wrapper for each context, not one for the thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
