"""Counts what a Django database connection does, for every ENGINE."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler, DatabaseErrorWrapper
from django.utils.functional import cached_property

from loadlab.instrumentation import current
from loadlab.instrumentation.accounting import Accounting
from loadlab.instrumentation.advice import advise
from loadlab.instrumentation.connect_errors import kind_of
from loadlab.instrumentation.driver_connections import watch
from loadlab.instrumentation.holders import presence
from loadlab.instrumentation.layout import USING
from loadlab.instrumentation.work import RUNNING, present
from loadlab.model.metrics import CloseReason
from loadlab.wrapping import WrapperMixin, mixed, put_in_front

if TYPE_CHECKING:
    from collections.abc import Callable


class _Advised:
    """Stands for a wrapper where Django handles an error: so no other access to `errors_occurred` costs more."""

    def __init__(self, wrapper: BaseDatabaseWrapper) -> None:
        self.__dict__["wrapper"] = wrapper

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.wrapper, name)

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401
        setattr(self.wrapper, name, value)
        if name == "errors_occurred" and value:
            advise(self.wrapper, sys.exc_info()[1])


_HEALTH_CHECK: Final = BaseDatabaseWrapper.close_if_health_check_failed.__name__


class CountingMixin(Accounting, WrapperMixin):
    """Goes in front of a backend's own DatabaseWrapper."""

    otherwise = "are not counted"
    _apart = True  # until the handler is seen to make it

    @cached_property
    def wrap_database_errors(self) -> Any:  # noqa: ANN401  a context manager
        """Django's own, which sets `errors_occurred` while it handles an error of the driver's."""
        made: Any = super().wrap_database_errors
        if isinstance(made, DatabaseErrorWrapper):
            made.wrapper = _Advised(self)  # type: ignore[attr-defined]  # not in the stubs
        return made

    @classmethod
    def before_wrapper(cls) -> None:
        presence()  # no younger than the wrapper, as it has to be

    def adopted(self) -> None:
        self._apart = False
        self.__dict__.pop("wrap_database_errors", None)
        self.opened_while_loading = self.connection is not None
        if self.connection is not None:
            self._row = current.ledger().found_open(self.alias)
            self._finalizer = watch(self.connection, self, self._row)
            self._write_down_holder(self.connection, self._row)

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

    @classmethod
    def often_called(cls, wrapper: Any) -> dict[str, Callable[..., Any]]:  # noqa: ANN401  a class like Django's
        def _cursor(self: CountingMixin, name: str | None = None) -> Any:  # noqa: ANN401
            cursor = wrapper._cursor(self) if name is None else wrapper._cursor(self, name)  # noqa: SLF001
            work = present()
            if work is None or self._connecting:
                self._count_use()
            elif work is not self._counted_for:  # as it does, without a call
                self._count(work)
            return cursor

        def close_if_unusable_or_obsolete(self: CountingMixin) -> None:
            """Django calls this when a request starts and when it ends, and others whenever they like."""
            using = self._using
            if using is not None:
                work = present()
                if work is None:
                    self._end_work()
                elif work.state != RUNNING:  # as it does, without a call
                    using.in_use = False
                    using.cells[USING] = 0
                    self._using = None
            wrapper.close_if_unusable_or_obsolete(self)

        return {one.__name__: one for one in (_cursor, close_if_unusable_or_obsolete)}

    def is_usable(self) -> bool:
        usable = super().is_usable()
        if not usable:
            # Every cursor calls the health check, so it is looked for here, and not marked there.
            asks = sys._getframe(1).f_code.co_name  # noqa: SLF001
            self._reason = CloseReason.HEALTH_CHECK if asks == _HEALTH_CHECK else CloseReason.UNUSABLE
        return usable

    def _close(self) -> None:
        connection = self.connection
        self._about_to_close()
        try:
            super()._close()  # type: ignore[misc]  # not in the stubs
        finally:
            self._write_down_close(connection)


def counting(wrapper: type[BaseDatabaseWrapper]) -> type[BaseDatabaseWrapper]:
    """The backend's DatabaseWrapper with counting in front; the same class for the same backend."""
    return mixed(CountingMixin, wrapper)


def install(handler: ConnectionHandler = connections) -> None:
    """Count every connection that `handler` makes from now on, and those that this thread has already."""
    put_in_front(CountingMixin, handler)


def install_apart() -> None:
    """Count every connection that handlers make from now on which Django knows nothing of, and so never closes."""
    make = ConnectionHandler.create_connection
    if hasattr(make, "__wrapped__"):
        return

    @wraps(make)
    def create_connection(self: ConnectionHandler, alias: str) -> BaseDatabaseWrapper:
        wrapper = make(self, alias)
        with suppress(TypeError):  # not Django's, or not to be changed: what is Django's own handler's, is said of it
            wrapper.__class__ = counting(type(wrapper))
        return wrapper

    ConnectionHandler.create_connection = create_connection  # type: ignore[method-assign]
