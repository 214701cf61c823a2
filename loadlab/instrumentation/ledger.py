"""The ledger that a process keeps of its database connections, in a file that survives any end of the process."""

from __future__ import annotations

import logging
import mmap
import struct
import threading
import time
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation import layout
from loadlab.instrumentation.fork_detection import fork_detector
from loadlab.instrumentation.process_file import ProcessFile
from loadlab.instrumentation.row import Row
from loadlab.model.metrics import OTHER, ProcessRole, UnitKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OTHER_ALIAS: Final = OTHER  # all aliases beyond the ledger's capacity
SUFFIX: Final = ".ledger"
# All cells of a row but STATE, which is stored by itself and last.
_put_cells: Final = struct.Struct(f"{layout.ROW_CELLS - 1}q").pack_into
_NO_USES: Final = (0,) * (layout.ROW_CELLS - layout.CONNECT_NS)
_put_holder: Final = struct.Struct(f"{layout.ROW_CELLS}q").pack_into
_NO_HOLDER: Final = (0,) * layout.ROW_CELLS


class Ledger:
    """The file of this process, in `directory`; with None, kept in memory, where no reader finds it.

    `role` is asked what the process is for when the first row begins; a count never moves from one role to another.
    `mode` is asked then how it serves a project: "" where it serves none.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(
        self,
        directory: Path | None,
        role: Callable[[], ProcessRole] = lambda: ProcessRole.OTHER,
        mode: Callable[[], str] = str,
    ) -> None:
        self._role = role
        self._mode = mode
        self._file = ProcessFile(directory, SUFFIX)
        self.mark = fork_detector()
        self.finished: deque[memoryview] = deque()  # rows whose end is written down, to be added to the totals
        self._mutex = threading.RLock()
        self._taking = False
        self._has_room = True
        self._unused: list[Iterator[memoryview]] = []  # of each segment, those of its rows that were never in use
        self._aliases: dict[str, int] = {}
        self._threads: dict[str, int] = {}
        self.units: list[dict[str, int]] = [{} for _ in range(layout.PAIR * len(UnitKind))]
        self._thread_numbers = iter(layout.THREAD_NAMES)
        self._unit_numbers = iter(layout.UNIT_NAMES)
        self._alias_numbers = count()
        self._sequences = count(1)
        self._map_header()
        self._file.publish()

    def _map_header(self) -> None:
        self._bytes = self._file.mapped(layout.ROWS_OFFSET)
        cells = self._bytes.cast("q")
        self._banks = _two(cells, layout.BANKS_OFFSET, layout.BANK_CELLS)
        self._units = _two(cells, layout.UNITS_OFFSET, layout.UNITS_BANK_CELLS)
        self._header = cells[: layout.HEADER_CELLS]
        self._header[layout.HOLDERS_CELL] = 1
        self._header[layout.VERSION_CELL] = layout.VERSION
        self._header[layout.MAGIC_CELL] = layout.MAGIC

    def connecting(self, alias: str) -> Row:
        """Begin a row for an attempt to connect; nothing in here waits for input or output."""
        return self._begin(alias, layout.CONNECTING)

    def waiting(self, alias: str) -> Row:
        """Begin a row for a wait for a pool's connection."""
        return self._begin(alias, layout.WAITING)

    def found_open(self, alias: str) -> Row:
        """Begin a row for a connection that was open before anything was counted: how long it took is not known."""
        row = self._begin(alias, layout.CONNECTING)
        row.opened(connect_ns=layout.UNKNOWN_NS)
        return row

    def inherited(self, alias: str, backend: int = 0) -> Row:
        """Begin a row for what this process does with a connection that its parent has opened, and counts."""
        row = self._begin(alias, layout.INHERITED)
        row.held(backend, (0, 0), 0)
        row.served = 1  # by its parent
        return row

    def _begin(self, alias: str, state: int) -> Row:
        with self._mutex:
            cells = self._take()
            number = self._aliases.get(alias)
            if number is None:
                number = self._alias(alias)
            sequence = next(self._sequences)
            if sequence == 1:
                self._header[layout.ROLE_CELL] = self._role()
                self._header[layout.SERVER_CELL] = layout.MODES.index(self._mode())
            now_ns = time.monotonic_ns()
            _put_holder(cells, layout.HOLDER * layout.CELL_BYTES, *_NO_HOLDER)
            _put_cells(cells, layout.SEQUENCE * layout.CELL_BYTES, sequence, number, now_ns, *_NO_USES)
            cells[layout.STATE] = state
            return Row(self, cells, sequence)

    def _take(self) -> memoryview:
        """The cells of a row that is free.

        A signal's handler, a finaliser or a tracer may open a connection in the middle of this, in the same thread,
        and then takes a row that was never in use.
        """
        if self._taking or not self.finished:
            return self._unused_row()
        self._taking = True
        try:
            cells = self.finished.popleft()
            self._move_to_totals(cells)
            return cells
        finally:
            self._taking = False

    def _unused_row(self) -> memoryview:
        while True:
            for rows in self._unused:
                for cells in rows:
                    return cells
            self._grow()

    def _move_to_totals(self, cells: memoryview) -> None:
        """Add a finished row to the totals and free it, in one step as seen from outside: the store of TURN.

        Until the row is free, readers know it by the bank's first cell as added already.
        """
        turn = self._header[layout.TURN_CELL]
        old, new = self._banks[turn % 2], self._banks[(turn + 1) % 2]
        new[:] = old
        units = self._units[(turn + 1) % 2]
        units[:] = self._units[turn % 2]
        row = cells[: layout.ROW_CELLS].tolist()
        layout.add_row(new, 1 + row[layout.ALIAS] * layout.ALIAS_CELLS, row)
        layout.add_units(units, row)
        new[0] = row[layout.SEQUENCE]
        # Nothing is called between these two stores, so that no exception of a signal's handler can part them.
        self._header[layout.TURN_CELL] = turn + 1
        cells[layout.STATE] = layout.FREE

    def _grow(self) -> None:
        self._header[layout.GROWING_CELL] = 1
        try:
            segment = self._file.mapped(2 * layout.SEGMENT_BYTES).cast("q")
        except OSError as error:
            # The site goes on, and what the file has no room for is in no count.
            if self._has_room:
                logging.getLogger("loadlab").error(  # noqa: TRY400  the words are all that there is to say
                    "Connections beyond those open now are not counted: %s: %s", self._file.path, error
                )
            self._has_room = False
            segment = _memory(2 * layout.SEGMENT_BYTES)
        else:
            self._has_room = True
            self._header[layout.GROWING_CELL] = 0
        starts = range(0, layout.HOLDER, layout.ROW_CELLS)
        # No generator: a signal's handler may take a row in the middle of this.
        self._unused.append(map(segment.__getitem__, map(_row_at, starts)))

    def _alias(self, name: str) -> int:
        number = next(self._alias_numbers)
        if number >= layout.ALIASES - 1:
            name, number = OTHER_ALIAS, layout.ALIASES - 1
        self._write(layout.ALIASES_OFFSET + number * layout.ALIAS_BYTES, name, layout.ALIAS_BYTES)
        return self._aliases.setdefault(name, number)

    def unit(self, pair: int, name: str) -> int:
        """The number of a unit of work, of the kind whose cells are so far from those of requests.

        All of a kind that the table has no room for share one.
        """
        return self.units[pair].get(name) or self._begin_unit(pair, name)

    def _begin_unit(self, pair: int, name: str) -> int:
        kind = UnitKind(pair // layout.PAIR)
        number = next(self._unit_numbers, 0)
        if number == 0:
            return self._write_name(layout.OTHER_UNITS + kind, f"{kind.label}:{OTHER}")
        return self.units[pair].setdefault(name, self._write_name(number, f"{kind.label}:{name}"))

    def thread(self, name: str) -> int:
        """The number of a thread's name, 0 of none: a program may give each another one, and routes need room."""
        return self._threads.get(name) or self._begin_thread(name)

    def _begin_thread(self, name: str) -> int:
        number = next(self._thread_numbers, 0) if name else 0
        if number == 0:
            return self._write_name(layout.OTHER_THREADS, OTHER) if name else 0
        return self._threads.setdefault(name, self._write_name(number, name))

    def _write_name(self, number: int, name: str) -> int:
        self._write(layout.NAMES_OFFSET + number * layout.NAME_BYTES, name, layout.NAME_BYTES)
        return number

    def _write(self, start: int, name: str, size: int) -> None:
        encoded = layout.fitted(name, size)
        self._bytes[start : start + len(encoded)] = encoded

    def release_after_fork(self) -> None:
        """Leave the file to the parent, in a forked child."""
        self._file.release_after_fork()


def _two(cells: memoryview, offset: int, length: int) -> list[memoryview]:
    """Two banks, one behind the other."""
    first = offset // layout.CELL_BYTES
    return [cells[start : start + length] for start in (first, first + length)]


def _row_at(start: int) -> slice:
    return slice(start, start + layout.ROW_WITH_HOLDER_CELLS)


def _memory(length: int) -> memoryview:
    """Cells that no reader will find."""
    return memoryview(mmap.mmap(-1, length)).cast("q")
