"""Knows the row of each driver's connection, so that one that comes back from a pool is not taken for a new one."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from loadlab.instrumentation import current
from loadlab.instrumentation.connect_errors import kind_of
from loadlab.model.metrics import CloseReason

if TYPE_CHECKING:
    from loadlab.instrumentation.ledger import Row

_rows: weakref.WeakKeyDictionary[Any, Row] = weakref.WeakKeyDictionary()


def row_of(connection: object) -> Row | None:
    """The row of a connection that has been seen before."""
    try:
        return _rows.get(connection)
    except TypeError:  # SQLite's has no weak references, and no pool holds it
        return None


def watch(connection: object, wrapper: object, row: Row) -> weakref.finalize[Any, Any]:
    """Remember the row, and write the end down when the garbage collector takes the connection.

    The finaliser knows nothing of Django's wrapper, or it would keep it alive; it does not run when Python exits.
    """
    try:
        _rows[connection] = row
        finalizer = weakref.finalize(connection, row.collected)
    except TypeError:  # as above; its wrapper is all that holds it
        finalizer = weakref.finalize(wrapper, row.collected)
    finalizer.atexit = False
    return finalizer


def count_openings(pool: Any, alias: str) -> None:  # noqa: ANN401  psycopg_pool's ConnectionPool, which need not be there
    """Have a pool of psycopg's open connections that write themselves down; Django opens it only after this."""
    if not hasattr(pool.connection_class, "loadlab_alias"):
        pool.connection_class = _self_counting(pool.connection_class, alias)


def _self_counting(base: type[Any], alias: str) -> type[Any]:
    """The class of connections with each opening and closing counted: a pool does both in its own threads."""

    class SelfCounting(base):  # type: ignore[misc]  # the class that the pool was told to use
        loadlab_alias = alias

        @classmethod
        def connect(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            row = current.ledger().connecting(alias)
            try:
                connection = super().connect(*args, **kwargs)
            except BaseException as error:
                row.failed(kind_of(error))
                raise
            row.opened()
            row.returned()
            watch(connection, connection, row)
            return connection

        def close(self) -> None:
            super().close()
            row = row_of(self)
            if row is not None and self.closed:  # newer pools have close() give a lent connection back
                row.closed(CloseReason.POOL)

    return SelfCounting
