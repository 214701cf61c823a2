"""Counts what a Django database connection does, for every ENGINE."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from loadlab.instrumentation import current
from loadlab.instrumentation.advice import advise
from loadlab.instrumentation.connect_errors import kind_of
from loadlab.instrumentation.driver_connections import count_openings, row_of, watch
from loadlab.instrumentation.loading import loading
from loadlab.instrumentation.work import pair_of, present
from loadlab.model.metrics import CloseReason
from loadlab.wrapping import WrapperMixin, mixed, put_in_front

NOTHING: Final = object()

if TYPE_CHECKING:
    import weakref

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.utils import ConnectionHandler

    from loadlab.instrumentation.ledger import Row
    from loadlab.instrumentation.work import Work


class CountingMixin(WrapperMixin):
    """Goes in front of a backend's own DatabaseWrapper.

    The wrapper holds its row, and so does the finaliser of the driver's connection: the first to learn that
    the connection is gone writes it down. Where a pool is between the two, getting a connection opens none and
    closing it closes none: the row stays with the driver's connection.
    """

    _row: Row | None = None
    _counted_for: object = NOTHING  # the unit, or the work outside of units, that was counted last
    _counted_row: Row | None = None  # and the row that served it
    _inherited: Row | None = None  # in a forked child: its own row for a connection of its parent's
    _finalizer: weakref.finalize[Any, Any] | None = None
    _reason: CloseReason | None = CloseReason.EXPLICIT  # None: to be told from the connection when it closes
    _connecting = False
    _attempting = False
    opened_while_loading = False  # a server may load the project before it forks, and the workers would share it
    otherwise = "are not counted"

    @property
    def errors_occurred(self) -> bool:
        """Set by Django while it handles an error of the driver's; False before the first."""
        return bool(self.__dict__.get("errors_occurred"))

    @errors_occurred.setter
    def errors_occurred(self, occurred: bool) -> None:
        self.__dict__["errors_occurred"] = occurred
        if occurred:
            advise(self, sys.exc_info()[1])

    def adopted(self) -> None:
        self.opened_while_loading = self.connection is not None
        if self.connection is not None:
            self._row = current.ledger().found_open(self.alias)
            self._finalizer = watch(self.connection, self, self._row)

    def connect(self) -> None:
        # Django asks the first connection of a process for the server's version: no request's doing.
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def get_new_connection(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as backend and driver have it
        if self._attempting:  # a backend that tries once more by calling itself: all of it is one attempt
            return super().get_new_connection(*args, **kwargs)
        attempt = self._attempt()
        self._attempting = True
        try:
            connection = super().get_new_connection(*args, **kwargs)
        except BaseException as error:
            attempt.failed(kind_of(error))
            raise
        finally:
            self._attempting = False
        self._write_down_opening(connection, attempt)
        return connection

    def _write_down_opening(self, connection: object, attempt: Row) -> None:
        self.opened_while_loading = loading()
        self._row = row_of(connection)
        if self._row is None:
            self._row = attempt
            attempt.opened()
            self._finalizer = watch(connection, self, attempt)
        else:
            self._row.taken()
            attempt.lent()

    def _attempt(self) -> Row:
        """A row for what comes: an opening, as far as one can tell, unless Django has a pool of psycopg's."""
        pool = getattr(self, "pool", None)
        if not hasattr(pool, "connection_class"):
            return current.ledger().connecting(self.alias)
        count_openings(pool, self.alias)
        return current.ledger().waiting(self.alias)

    def _cursor(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        cursor = super()._cursor(*args, **kwargs)  # type: ignore[misc]  # not in the stubs
        work = present()
        if (work is not self._counted_for or self._row is not self._counted_row) and not self._connecting:
            self._count(work)
        return cursor

    def _count(self, work: Work | None) -> None:
        """Count the unit once on this alias, at its first use; and on each connection that serves it."""
        row = self._row
        if row is None:
            return
        self._counted_for, self._counted_row = work, row
        first = work is None or work.setdefault(self.alias, mine := object()) is mine
        if not row.ledger.mark[0]:
            row = self._inherited = self._inherited or current.ledger().inherited(self.alias)
        row.used(first, pair_of(work))

    def _end_work(self) -> None:
        """Outside of units, work ends when Django is told so, or when its connection closes."""
        if present() is None:
            self._counted_for = NOTHING

    def close_if_unusable_or_obsolete(self) -> None:
        """Django calls this when a request starts and when it ends, and others whenever they like."""
        self._end_work()
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
        connection, row = self.connection, self._row
        if row is not None and row.pooled:
            row.returned()  # before it is: another thread may have it at once
        try:
            super()._close()  # type: ignore[misc]  # not in the stubs
        finally:
            self._write_down_close(connection)

    def _write_down_close(self, connection: object) -> None:
        row, finalizer = self._row, self._finalizer
        self._row = self._inherited = self._finalizer = None
        self._end_work()
        if row is None:
            return
        if not getattr(connection, "closed", True):
            row.returned()  # to a pool of the engine's own, which will close it some day
            return
        if finalizer is not None:
            finalizer.detach()
        row.closed(self._reason_to_close(row))

    def _reason_to_close(self, row: Row) -> CloseReason:
        if row.pooled:
            return CloseReason.POOL
        return self._reason_of_obsolescence() if self._reason is None else self._reason


def counting(wrapper: type[BaseDatabaseWrapper]) -> type[BaseDatabaseWrapper]:
    """The backend's DatabaseWrapper with counting in front; the same class for the same backend."""
    return mixed(CountingMixin, wrapper)


def install(handler: ConnectionHandler = connections) -> None:
    """Count every connection that `handler` makes from now on, and those that this thread has already."""
    put_in_front(CountingMixin, handler)
