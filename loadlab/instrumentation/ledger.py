"""The ledger that a process keeps of its database connections, in a file that survives any end of the process."""

from __future__ import annotations

import logging
import mmap
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation import layout
from loadlab.instrumentation.process_file import ProcessFile
from loadlab.model.metrics import CloseReason

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.metrics import ConnectError

OTHER_ALIAS: Final = "other"  # all aliases beyond the ledger's capacity
SUFFIX: Final = ".ledger"


class Row:
    """One attempt to get a connection, and the connection that came of it.

    No method takes a lock or allocates anything shared, so a finaliser may call `closed` at any point of any thread.
    """

    __slots__ = ("_cells", "_finished", "_owner", "_sequence")

    def __init__(self, cells: memoryview, finished: deque[memoryview], owner: int) -> None:
        self._cells = cells
        self._owner = owner
        self._finished = finished
        self._sequence = cells[layout.SEQUENCE]

    def opened(self) -> None:
        self._cells[layout.CONNECT_NS] = time.monotonic_ns() - self._cells[layout.STARTED_NS]
        self._cells[layout.STATE] = layout.OPEN

    def failed(self, kind: ConnectError) -> None:
        self._finish(layout.FAILED + kind)

    def lent(self) -> None:
        """Record that a pool gave one of its connections, which has a row of its own: this was a wait, no opening."""
        self._cells[layout.CONNECT_NS] = time.monotonic_ns() - self._cells[layout.STARTED_NS]
        self._finish(layout.LENT)

    @property
    def pooled(self) -> bool:
        return self._cells[layout.POOL] != layout.NO_POOL

    def taken(self) -> None:
        """Note that its pool has lent it out."""
        self._cells[layout.POOL] = layout.IN_USE

    def returned(self) -> None:
        """Note that its pool has it, to be lent out again."""
        self._cells[layout.POOL] = layout.AVAILABLE

    def used(self) -> None:
        """Count one more request; called by the connection's own thread only."""
        self._cells[layout.REQUESTS] += 1

    def closed(self, reason: CloseReason) -> None:
        """Record the end; the first call counts, later ones do nothing."""
        self._cells[layout.CLOSED_NS] = time.monotonic_ns()
        self._finish(layout.CLOSED + reason)

    def collected(self) -> None:
        """Record the end of a connection that nobody has closed, or that its pool closed unseen.

        In a forked child only a copy was collected: drivers leave a connection alone that another process has made.
        """
        if os.getpid() != self._owner:
            return
        kept = self._cells[layout.POOL] == layout.AVAILABLE
        self.closed(CloseReason.POOL if kept else CloseReason.GARBAGE_COLLECTED)

    def _finish(self, state: int) -> None:
        cells = self._cells
        expected = (layout.OPEN,) if state >= layout.CLOSED else (layout.CONNECTING, layout.WAITING)
        # After a fork both processes hold this row, and one of them may have put it to new use.
        if cells[layout.SEQUENCE] == self._sequence and cells[layout.STATE] in expected:
            cells[layout.STATE] = state
            self._finished.append(cells)


class Ledger:
    """The file of this process, in `directory`; with None, kept in memory for nobody to read.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, directory: Path | None) -> None:
        self._file = ProcessFile(directory, SUFFIX)
        self._owner = os.getpid()
        self._mutex = threading.Lock()
        self._finished: deque[memoryview] = deque()
        self._unused: deque[memoryview] = deque()
        self._aliases: dict[str, int] = {}
        self._sequence = 0
        self._map_header()
        self._file.publish()

    def _map_header(self) -> None:
        self._bytes = self._file.mapped(layout.ROWS_OFFSET)
        cells = self._bytes.cast("q")
        first = layout.BANKS_OFFSET // layout.CELL_BYTES
        self._banks = [cells[start : start + layout.BANK_CELLS] for start in (first, first + layout.BANK_CELLS)]
        self._header = cells[: layout.HEADER_CELLS]
        self._header[layout.VERSION_CELL] = layout.VERSION
        self._header[layout.MAGIC_CELL] = layout.MAGIC

    def connecting(self, alias: str) -> Row:
        """Begin a row for an attempt to connect; nothing in here waits for input or output."""
        return self._begin(alias, layout.CONNECTING)

    def waiting(self, alias: str) -> Row:
        """Begin a row for a wait for a pool's connection."""
        return self._begin(alias, layout.WAITING)

    def _begin(self, alias: str, state: int) -> Row:
        with self._mutex:
            cells = self._take()
            self._sequence += 1
            cells[layout.SEQUENCE] = self._sequence
            cells[layout.ALIAS] = self._alias(alias)
            cells[layout.REQUESTS] = 0
            cells[layout.POOL] = layout.NO_POOL
            cells[layout.STARTED_NS] = time.monotonic_ns()
            cells[layout.STATE] = state
            return Row(cells, self._finished, self._owner)

    def _take(self) -> memoryview:
        if self._finished:
            cells = self._finished.popleft()
            self._move_to_totals(cells)
            return cells
        if not self._unused:
            self._grow()
        return self._unused.popleft()

    def _move_to_totals(self, cells: memoryview) -> None:
        """Add a finished row to the totals and free it, in one step as seen from outside: the store of TURN.

        Until the row is free, readers know it by the bank's first cell as added already.
        """
        turn = self._header[layout.TURN_CELL]
        old, new = self._banks[turn % 2], self._banks[(turn + 1) % 2]
        new[:] = old
        new[0] = cells[layout.SEQUENCE]
        layout.add_row(new, 1 + cells[layout.ALIAS] * layout.ALIAS_CELLS, cells)
        self._header[layout.TURN_CELL] = turn + 1
        cells[layout.STATE] = layout.FREE

    def _grow(self) -> None:
        try:
            segment = self._file.mapped(layout.SEGMENT_BYTES).cast("q")
        except OSError as error:
            # The site goes on, and what the file has no room for is in no count.
            logging.getLogger("loadlab").error(  # noqa: TRY400  the words are all that there is to say
                "Connections are not counted any more: %s: %s", self._file.path, error
            )
            segment = memoryview(mmap.mmap(-1, layout.SEGMENT_BYTES)).cast("q")
        starts = range(0, len(segment), layout.ROW_CELLS)
        self._unused.extend(segment[start : start + layout.ROW_CELLS] for start in starts)

    def _alias(self, name: str) -> int:
        known = self._aliases.get(name)
        if known is not None:
            return known
        if len(self._aliases) >= layout.ALIASES - 1:
            name = OTHER_ALIAS
        number = self._aliases.setdefault(name, len(self._aliases))
        encoded = name.encode()[: layout.ALIAS_BYTES - 1]
        start = layout.ALIASES_OFFSET + number * layout.ALIAS_BYTES
        self._bytes[start : start + len(encoded)] = encoded
        return number

    def release_after_fork(self) -> None:
        """Leave the file to the parent, in a forked child."""
        self._file.release_after_fork()
