"""Writes down each request's use of its database connection: when, in which thread, and how long it took to connect.

Only the lab switches this on, for the targets that it serves: a variable of the environment names the aliases. Else
nothing of it is imported. A process has a file of `RECORDS` fixed-size records, and leaves out what comes after them.
No lock is taken: a record belongs to one request, and all stores are of 8 bytes, BEGAN_NS last of those at its start.
"""

from __future__ import annotations

import gc
from contextvars import ContextVar
from functools import wraps
from itertools import count
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, cast

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished

from loadlab.instrumentation import current, layout
from loadlab.instrumentation.accounting import Accounting
from loadlab.instrumentation.counting import CountingMixin
from loadlab.instrumentation.process_file import ProcessFile
from loadlab.instrumentation.row import Row
from loadlab.instrumentation.uses_file import (
    BEGAN_NS,
    CELLS,
    COLLECTED_NS,
    CONNECT_NS,
    ENDED_NS,
    FILE_BYTES,
    NOT_COLLECTED,
    NOT_OPENED,
    RECORDS,
    SEARCHES,
    STARTED_NS,
    SUFFIX,
    THREAD,
    YOUNG_PPM,
)
from loadlab.instrumentation.work import pair_of, present
from loadlab.model.metrics import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from loadlab.instrumentation.ledger import Ledger
    from loadlab.instrumentation.work import Work

_USE: Final = "\0use"  # a key of a unit of work that no alias has

_threads: Final = count(1)
_started: Final[ContextVar[int]] = ContextVar("loadlab_started", default=0)
_last: Final[dict[Row, memoryview]] = {}  # of each open connection: the record of its last request


class UseRecords:
    """The records of this process, in `directory`; with None, in memory, where no reader finds them."""

    def __init__(self, directory: Path | None) -> None:
        self._file = ProcessFile(directory, SUFFIX)
        self._cells = self._file.mapped(FILE_BYTES).cast("q")
        self._numbers = count()
        self._file.publish()

    def begin(self, thread: int, connect_ns: int) -> memoryview | None:
        """The record of a request that uses its connection from now on; None when the file is full."""
        number = next(self._numbers)
        if number >= RECORDS:
            return None
        record = self._cells[number * CELLS : (number + 1) * CELLS]
        record[THREAD] = thread
        record[CONNECT_NS] = connect_ns
        record[STARTED_NS] = _started.get()
        record[YOUNG_PPM], record[SEARCHES] = _garbage()
        record[BEGAN_NS] = monotonic_ns()
        return record

    def release_after_fork(self) -> None:
        """Leave the file to the parent, in a forked child."""
        self._file.release_after_fork()


_by_ledger: dict[Ledger, UseRecords] = {}  # that of this process; the ledger knows a fork


def _uses() -> UseRecords:
    ledger = current.ledger()
    return _by_ledger.get(ledger) or _begun(ledger)


def _begun(ledger: Ledger) -> UseRecords:
    try:
        made = UseRecords(current.directory())
    except OSError:
        made = UseRecords(None)
    return _by_ledger.setdefault(ledger, made)


def _leave_to_parent() -> None:
    for ledger in [ledger for ledger in list(_by_ledger) if not ledger.mark[0]]:
        if (uses := _by_ledger.pop(ledger, None)) is not None:
            uses.release_after_fork()


def install(aliases: Iterable[str]) -> None:
    """Record the uses of these aliases from now on."""
    if not hasattr(Accounting, "_thread"):
        Accounting._thread = 0  # type: ignore[attr-defined]  # noqa: SLF001  of a wrapper, which one thread has
        Accounting._connected_ns = 0  # type: ignore[attr-defined]  # noqa: SLF001
        CountingMixin.connect = _timed(CountingMixin.connect)  # type: ignore[assignment, method-assign]
        Accounting._count = _recorded(Accounting._count, frozenset(aliases))  # type: ignore[method-assign]  # noqa: SLF001
        Row.closed = _noted(Row.closed)  # type: ignore[assignment, method-assign]
        # Some servers never close a WSGI response, so the handler's own end has to do. Django's signal comes later, and
        # its own receiver, which closes what is not kept, comes before ours.
        WSGIHandler.__call__ = _ended(WSGIHandler.__call__)  # type: ignore[method-assign]
        request_finished.connect(_end)
        current.in_forked_child.append(_leave_to_parent)


def _garbage() -> tuple[int, int]:
    """What the garbage collector has counted: millionths of what it waits for, and its searches of the youngest."""
    young, searches, _ = gc.get_count()
    most = gc.get_threshold()[0]
    return (1_000_000 * young // most, searches) if most and gc.isenabled() else (-1, -1)


def _timed(connect: Callable[[Any], None]) -> Callable[[Any], None]:
    """With what Django asks a new connection, which a driver's own time to connect leaves out."""

    @wraps(connect)
    def timed(self: Any) -> None:  # noqa: ANN401  a wrapper of any engine
        connect(self)
        self._connected_ns = monotonic_ns()

    return timed


def _recorded(counted: Callable[[Any, Work | None], None], aliases: frozenset[str]) -> Callable[..., None]:
    @wraps(counted)
    def recorded(self: Any, work: Work | None) -> None:  # noqa: ANN401
        counted(self, work)
        row = self._row
        if row is None or work is None or pair_of(work) or self.alias not in aliases:
            return
        if _USE not in work:
            self._thread = self._thread or next(_threads)
            work[_USE] = _uses().begin(self._thread, _connect_ns(row, self._connected_ns))
        if (record := cast("memoryview | None", work[_USE])) is not None:
            record[COLLECTED_NS] = NOT_COLLECTED if row.pooled else 0
            _last[row] = record

    return recorded


def _connect_ns(row: Row, connected_ns: int) -> int:
    cells = row.cells
    if cells[layout.SERVED] != 1:
        return NOT_OPENED
    in_all = 0 if row.pooled else connected_ns - cells[layout.STARTED_NS]
    return max(cells[layout.CONNECT_NS], in_all)


def _noted(closed: Callable[[Row, CloseReason], None]) -> Callable[[Row, CloseReason], None]:
    @wraps(closed)
    def noted(self: Row, reason: CloseReason) -> None:
        closed(self, reason)
        record = _last.pop(self, None)
        if record is not None:
            record[COLLECTED_NS] = monotonic_ns() if reason is CloseReason.GARBAGE_COLLECTED else NOT_COLLECTED

    return noted


def _ended(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def ended(*arguments: Any) -> Any:  # noqa: ANN401  WSGI's
        _started.set(monotonic_ns())
        response = call(*arguments)
        _end()
        return response

    return ended


def _end(**_: object) -> None:
    work = present()
    record: Any = None if work is None else work.get(_USE)
    if record is not None:
        record[ENDED_NS] = monotonic_ns()
