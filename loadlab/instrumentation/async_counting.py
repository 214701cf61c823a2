"""Counts the connections of django-async-backend, whose wrappers open, use and close them in the event loop.

Its wrappers are not Django's, and have a handler of their own. Their methods are called as Django's, and are awaited
(django-async-backend 6.1).
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Final

from django.db import connections

from loadlab.instrumentation.accounting import Accounting
from loadlab.instrumentation.connect_errors import kind_of
from loadlab.model.metrics import CloseReason

PACKAGE: Final = "django_async_backend"


class AsyncCountingMixin(Accounting):
    """Goes in front of the AsyncDatabaseWrapper of an engine."""

    connection: Any

    async def connect(self) -> None:
        self._connecting = True
        try:
            await super().connect()  # type: ignore[misc]  # of the engine's wrapper, as all that follow
        finally:
            self._connecting = False

    async def get_new_connection(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the driver's own
        attempt = self._attempt()
        try:
            connection = await super().get_new_connection(*args, **kwargs)  # type: ignore[misc]
        except BaseException as error:
            attempt.failed(kind_of(error))
            raise
        self._write_down_opening(connection, attempt)
        return connection

    def _reason_to_close(self) -> CloseReason:
        return CloseReason.EXPLICIT  # its stack does not say who has awaited it

    async def _cursor(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        cursor = await super()._cursor(*args, **kwargs)  # type: ignore[misc]
        self._count_use()
        return cursor

    async def _close(self) -> None:
        connection = self.connection
        self._about_to_close()
        try:
            await super()._close()  # type: ignore[misc]
        finally:
            self._write_down_close(connection)


@cache
def _counting(wrapper: Any) -> Any:  # noqa: ANN401  a class of the engine's, and one of ours
    return type(wrapper.__name__, (AsyncCountingMixin, wrapper), {"__module__": wrapper.__module__})


def install() -> None:
    """Count every connection that the package's handler makes from now on, where an engine of the package is used."""
    engines = (str(entry.get("ENGINE", "")) for entry in connections.settings.values())
    if any(engine.startswith(f"{PACKAGE}.") for engine in engines):
        count(importlib.import_module(f"{PACKAGE}.db").async_connections)


def count(handler: Any) -> None:  # noqa: ANN401  the package's own; once is enough
    make = handler.create_connection
    if hasattr(make, "loadlab_counts"):
        return

    def create_connection(alias: str) -> Any:  # noqa: ANN401  an AsyncDatabaseWrapper
        wrapper = make(alias)
        kind: Any = type(wrapper)
        wrapper.__class__ = _counting(kind)
        return wrapper

    create_connection.loadlab_counts = True  # type: ignore[attr-defined]
    handler.create_connection = create_connection
