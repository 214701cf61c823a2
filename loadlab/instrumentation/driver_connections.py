"""Knows the row of each driver's connection, so that one that comes back from a pool is not taken for a new one."""

from __future__ import annotations

import inspect
import os
import weakref
from contextlib import contextmanager, suppress
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING, Any, Final

from loadlab.instrumentation import current
from loadlab.instrumentation.connect_errors import kind_of
from loadlab.instrumentation.holders import thread
from loadlab.model.metrics import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.instrumentation.row import Row

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
    return _async(base, alias) if inspect.iscoroutinefunction(base.connect) else _sync(base, alias)


def _sync(base: type[Any], alias: str) -> type[Any]:
    class SelfCounting(base):  # type: ignore[misc]  # the class that the pool was told to use
        loadlab_alias = alias

        @classmethod
        def connect(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            with _opening(alias) as opened:
                return opened(super().connect(*args, **kwargs))

        def execute(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            with _noting_loss(self):
                return super().execute(*args, **kwargs)

        def close(self) -> None:
            super().close()
            _write_down_close(self)

    return SelfCounting


def _async(base: type[Any], alias: str) -> type[Any]:
    class SelfCounting(base):  # type: ignore[misc]  # as above
        loadlab_alias = alias

        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            with _opening(alias) as opened:
                return opened(await super().connect(*args, **kwargs))

        async def execute(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            with _noting_loss(self):
                return await super().execute(*args, **kwargs)

        async def close(self) -> None:
            await super().close()
            _write_down_close(self)

    return SelfCounting


@contextmanager
def _opening(alias: str) -> Iterator[Callable[[Any], Any]]:
    """Counts what is opened inside, and passed to the function that this gives."""
    row = current.ledger().connecting(alias)

    def opened(connection: Any) -> Any:  # noqa: ANN401
        row.opened()
        row.held(backend_of(connection), thread(row.ledger), 0)
        row.returned()
        watch(connection, connection, row)
        return connection

    try:
        yield opened
    except BaseException as error:
        row.failed(kind_of(error))
        raise


@contextmanager
def _noting_loss(connection: Any) -> Iterator[None]:  # noqa: ANN401
    """A pool closes no connection that is found to be gone by its check: it drops it, while the request waits on."""
    try:
        yield
    except BaseException:
        _write_down_close(connection)
        raise


def _write_down_close(connection: Any) -> None:  # noqa: ANN401
    row = row_of(connection)
    if row is not None and connection.closed:  # newer pools have close() give a lent connection back
        row.closed(CloseReason.POOL)


def backend_of(connection: Any) -> int:  # noqa: ANN401  of any driver
    """The number that the database has for this connection: the pid of PostgreSQL's process; 0 when it is not told.

    What a pooler tells is of itself.
    """
    for ask in _ASK_FOR_BACKEND:
        with suppress(Exception):  # another driver, or a connection that is gone
            return int(ask(connection))
    return 0


def has_socket(connection: Any) -> bool:  # noqa: ANN401  as above
    """Whether its file descriptor is open: where it is not, to close it tells the database nothing."""
    try:
        os.fstat(connection.fileno())
    except OSError:
        return False
    except Exception:  # noqa: BLE001  a driver that tells no descriptor, or says that it is closed
        return True
    return True


_ASK_FOR_BACKEND: Final[tuple[Callable[[Any], int], ...]] = (
    attrgetter("info.backend_pid"),  # psycopg, and psycopg2 from 2.8
    methodcaller("thread_id"),  # mysqlclient
)
