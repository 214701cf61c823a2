"""Knows the database wrappers of all threads of this process, and which thread or greenlet each belongs to."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from django.db import connections

from loadlab.wrapping import WrapperMixin, put_in_front

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.utils import ConnectionHandler

    Owner = weakref.ref[Any]

# The garbage collector takes entries out at any time, which the dictionary copes with by itself; the lock is for the
# threads that put them in. No finaliser of ours wants it.
_owners: weakref.WeakKeyDictionary[BaseDatabaseWrapper, Owner] = weakref.WeakKeyDictionary()
_mutex = threading.Lock()


class TrackingMixin(WrapperMixin):
    """Notes whose the wrapper is when it opens a connection: it is made earlier, and may never be used."""

    otherwise = "are not closed by loadlab.fixes"

    def get_new_connection(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the types of backend and driver
        _note(self)
        return super().get_new_connection(*args, **kwargs)

    def adopted(self) -> None:
        if self.connection is not None:
            _note(self)


def track(handler: ConnectionHandler = connections) -> None:
    """Know every wrapper that opens a connection from now on, and those of this thread that have one."""
    put_in_front(TrackingMixin, handler)


def tracked() -> dict[BaseDatabaseWrapper, Owner]:
    """The wrappers that have opened a connection and are still there, each with its owner."""
    with _mutex:
        return dict(_owners.items())


def forget(wrapper: BaseDatabaseWrapper) -> bool:
    """Whether it was known until now; True for one caller only."""
    with _mutex:
        return _owners.pop(wrapper, None) is not None


def gone(owner: Owner) -> bool:
    """Whether a thread or greenlet has ended."""
    it = owner()
    if it is None:
        return True
    return bool(it.dead) if hasattr(it, "dead") else not it.is_alive()


def _note(wrapper: BaseDatabaseWrapper) -> None:
    with _mutex:
        _owners[wrapper] = weakref.ref(_present())


def _present() -> object:
    """The greenlet that runs this, where gevent has put greenlets in the place of threads; else the thread."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        return sys.modules["gevent"].getcurrent()
    return threading.current_thread()


def _after_fork_in_child() -> None:
    """Forget what is the parent's: to close it here would end the parent's sessions, whose sockets we share."""
    global _owners, _mutex
    _owners, _mutex = weakref.WeakKeyDictionary(), threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
