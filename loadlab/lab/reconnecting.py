"""The lab's second connection to the database, which comes back by itself after a fault."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from psycopg2.extensions import connection as Connection  # noqa: N812  the driver names its class in lower case
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.services.database import Database


class Reconnecting:
    """A context with a cursor; after one that has failed, the next is of a new connection, where `comes_back` says so.

    `database` tells how it is reached now: a fault may have moved it.
    """

    def __init__(self, database: Callable[[], Database], *, comes_back: bool) -> None:
        self._database = database
        self._comes_back = comes_back
        self._resources = ExitStack()
        self._cursor: Cursor | None = None

    def __enter__(self) -> Self:
        self.cursor()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def cursor(self) -> Cursor:
        """The one that there is, or a new one.

        Raises:
            EnvironmentFaultError: the database does not let us in.
        """
        if self._cursor is not None and self._comes_back and self._cursor.connection.closed:
            self._close()
        if self._cursor is None:
            self._cursor = self._resources.enter_context(self._database().observed()).cursor()
        return self._cursor

    def connection(self) -> Connection:
        """Of the cursor.

        Raises:
            psycopg2.InterfaceError: there is none at this moment.
        """
        if self._cursor is None:
            raise psycopg2.InterfaceError("the lab is not connected")
        return self._cursor.connection

    def _close(self) -> None:
        self._cursor = None
        with suppress(psycopg2.Error):
            self._resources.close()
