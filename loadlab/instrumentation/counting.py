"""Counts what a Django database connection does, whatever its ENGINE is."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from loadlab.instrumentation import current
from loadlab.instrumentation.connect_errors import kind_of
from loadlab.model.metrics import CloseReason

if TYPE_CHECKING:
    from django.db.utils import ConnectionHandler

    from loadlab.instrumentation.ledger import Row


class CountingMixin(BaseDatabaseWrapper):
    """Goes in front of a backend's own DatabaseWrapper.

    The wrapper holds its row, and so does the finaliser of the driver's connection: whichever learns first that
    the connection is gone writes it down. The finaliser knows nothing of the wrapper, or it would keep it alive.
    """

    _row: Row | None = None
    _used_row: Row | None = None  # the row that the present request has been counted on
    _finalizer: weakref.finalize[Any, Any] | None = None
    _reason: CloseReason | None = CloseReason.EXPLICIT  # None: to be told from the connection when it closes
    _connecting = False

    def connect(self) -> None:
        # Django asks the first connection of a process for the server's version: no request's doing.
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def get_new_connection(self, conn_params: Any) -> Any:  # noqa: ANN401  whatever the driver has
        row = current.ledger().connecting(self.alias)
        try:
            connection = super().get_new_connection(conn_params)
        except BaseException as error:
            row.failed(kind_of(error))
            raise
        row.opened()
        self._finalizer = _on_collection(connection, self, row)
        self._row = row
        return connection

    def _cursor(self, name: str | None = None) -> Any:  # noqa: ANN401
        cursor = super()._cursor(name)  # type: ignore[misc]  # not in the stubs
        row = self._row
        if row is not None and row is not self._used_row and not self._connecting:
            row.used()
            self._used_row = row
        return cursor

    def close_if_unusable_or_obsolete(self) -> None:
        """Django calls this when a request starts and when it ends; so a request begins and ends here."""
        self._used_row = None
        self._reason = None
        try:
            super().close_if_unusable_or_obsolete()
        finally:
            self._reason = CloseReason.EXPLICIT

    def _reason_of_obsolescence(self) -> CloseReason:
        """Why Django closes a connection that answers: asked only then, for Django itself looks twice a request."""
        if self.autocommit != self.settings_dict["AUTOCOMMIT"]:
            return CloseReason.AUTOCOMMIT
        # Unlimited never gets here, so what is not 0 is an age.
        return CloseReason.MAX_AGE if self.settings_dict["CONN_MAX_AGE"] else CloseReason.REQUEST_END

    def close_if_health_check_failed(self) -> None:
        before, self._reason = self._reason, CloseReason.HEALTH_CHECK
        try:
            super().close_if_health_check_failed()
        finally:
            self._reason = before

    def is_usable(self) -> bool:
        usable = super().is_usable()
        if not usable and self._reason is not CloseReason.HEALTH_CHECK:
            self._reason = CloseReason.UNUSABLE
        return usable

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # not in the stubs
        finally:
            self._write_down_close()

    def _write_down_close(self) -> None:
        row, finalizer = self._row, self._finalizer
        self._row = self._used_row = self._finalizer = None
        if row is not None and finalizer is not None:
            finalizer.detach()
            row.closed(self._reason_of_obsolescence() if self._reason is None else self._reason)


def _on_collection(connection: object, wrapper: object, row: Row) -> weakref.finalize[Any, Any]:
    """Write the end down when the garbage collector takes the connection, and not when Python exits."""
    try:
        finalizer = weakref.finalize(connection, row.closed, CloseReason.GARBAGE_COLLECTED)
    except TypeError:  # SQLite's has no weak references; its wrapper is all that holds it
        finalizer = weakref.finalize(wrapper, row.closed, CloseReason.GARBAGE_COLLECTED)
    finalizer.atexit = False
    return finalizer


_classes: dict[type, type[BaseDatabaseWrapper]] = {}


def counting(wrapper: type[BaseDatabaseWrapper]) -> type[BaseDatabaseWrapper]:
    """The backend's DatabaseWrapper with counting in front; the same class for the same backend."""
    if issubclass(wrapper, CountingMixin):
        return wrapper
    if wrapper not in _classes:
        _classes[wrapper] = type(wrapper.__name__, (CountingMixin, wrapper), {"__module__": wrapper.__module__})
    return _classes[wrapper]


def install(handler: ConnectionHandler = connections) -> None:
    """Count every connection that `handler` makes from now on, and those that this thread has already."""
    make = handler.create_connection
    if getattr(make, "counts", False):
        return

    def create_connection(alias: str) -> BaseDatabaseWrapper:
        wrapper = make(alias)
        wrapper.__class__ = counting(type(wrapper))
        return wrapper

    create_connection.counts = True  # type: ignore[attr-defined]
    handler.create_connection = create_connection  # type: ignore[method-assign]
    for wrapper in handler.all(initialized_only=True):
        wrapper.__class__ = counting(type(wrapper))
