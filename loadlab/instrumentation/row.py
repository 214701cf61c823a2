"""One row of the ledger: an attempt to get a connection, and the connection that came of it."""

from __future__ import annotations

import time
from struct import Struct
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation import layout
from loadlab.instrumentation.layout import ALIVE, OPENED, REUSED, SERVED, UNENDED
from loadlab.model.metrics import CloseReason, UnitKind

if TYPE_CHECKING:
    from loadlab.instrumentation.ledger import Ledger
    from loadlab.model.metrics import ConnectError

OPEN: Final = (layout.OPEN,)
ATTEMPTED: Final = (layout.CONNECTING, layout.WAITING)
_put_use: Final = Struct("4q").pack_into  # USED_BY, USED_NS, USING and LIFE
_USE_OFFSET: Final = layout.USED_BY * layout.CELL_BYTES


class Row:
    """One attempt to get a connection, and the connection that came of it.

    No method takes a lock or allocates anything shared, so a finaliser may call `closed` at any point of any thread.
    """

    __slots__ = ("_sequence", "among", "cells", "in_use", "ledger", "reused", "served")

    def __init__(self, ledger: Ledger, cells: memoryview, sequence: int) -> None:
        self.ledger = ledger
        self.among: set[Row] | None = None  # those of the thread that holds it, which may live longer than it
        self.cells = cells
        self._sequence = sequence
        # What is written down is read faster from here.
        self.served = 0
        self.reused = [0] * (layout.PAIR * len(UnitKind))
        self.in_use = False

    def opened(self, connect_ns: int | None = None) -> None:
        """Record that it is open; by default the attempt took until now."""
        cells = self.cells
        cells[layout.CONNECT_NS] = time.monotonic_ns() - cells[layout.STARTED_NS] if connect_ns is None else connect_ns
        cells[layout.STATE] = layout.OPEN

    def failed(self, kind: ConnectError) -> None:
        self._finish(layout.FAILED + kind, ATTEMPTED)

    def lent(self) -> None:
        """Record that a pool gave one of its connections, which has its own row: this was a wait, not an opening."""
        self.cells[layout.CONNECT_NS] = time.monotonic_ns() - self.cells[layout.STARTED_NS]
        self._finish(layout.LENT, ATTEMPTED)

    @property
    def pooled(self) -> bool:
        return self.cells[layout.POOL] != layout.NO_POOL

    def taken(self) -> None:
        """Note that its pool has lent it out."""
        self.cells[layout.POOL] = layout.IN_USE

    def returned(self) -> None:
        """Note that its pool has it, to be lent out again."""
        self.cells[layout.POOL] = layout.AVAILABLE

    @property
    def backend(self) -> int:
        """Its number at the database."""
        return self.cells[layout.BACKEND]

    def held(self, backend: int, holder: tuple[int, int], unit: int, place: int = 0) -> None:
        """Note who has opened it: the thread, by the kernel's number and that of its name, and the unit of work."""
        cells = self.cells
        cells[layout.BACKEND] = backend
        cells[layout.THREAD], cells[layout.THREAD_NAME] = holder
        cells[layout.OPENED_BY] = unit
        cells[layout.PLACE] = place
        cells[layout.LIFE] = layout.ALIVE

    def named(self, unit: int) -> None:
        """Note the name of the unit that uses it, and may have opened it, which was not known before."""
        cells = self.cells
        if cells[layout.SEQUENCE] == self._sequence:
            cells[layout.USED_BY] = unit
            cells[layout.OPENED_BY] = cells[layout.OPENED_BY] or unit

    def asked(self) -> None:
        """Note that what uses it, outside of units, has asked for something more."""
        self.cells[layout.USED_NS] = time.monotonic_ns()
        self.cells[layout.LIFE] = layout.ALIVE

    def unused(self) -> None:
        """Note that the unit that used it has ended."""
        self.in_use = False
        self.cells[layout.USING] = 0

    def left(self, life: int = layout.ENDED) -> None:
        """Note that the thread or greenlet which could find it has ended."""
        cells = self.cells
        if self.ledger.mark[0] and cells[layout.SEQUENCE] == self._sequence and cells[layout.STATE] == layout.OPEN:
            cells[layout.LIFE] = life

    def joins(self, among: set[Row]) -> None:
        """Be one of these until it ends, or its thread gives it back to a pool."""
        self.among = among
        among.add(self)

    def leaves(self) -> None:
        """Be none of them any more."""
        if self.among is not None:
            self.among.discard(self)
            self.among = None

    def used(
        self,
        first: bool = True,  # noqa: FBT001, FBT002  keywords would cost as much as counting
        pair: int = 0,
        unit: int = 0,
        at_ns: int | None = None,
        answered: int = 0,
    ) -> None:
        """Count one more unit of work that it serves; called by the connection's own thread only.

        `first`: the unit uses the database for the first time, and so is counted here and nowhere else. `pair`: how far
        the cells of its kind are from those of requests. `unit`: the number of its name. `at_ns`: when, by default now.
        `answered`: ANSWERED if its view had returned before.
        """
        cells = self.cells
        using = answered + 1 + UNENDED if self.in_use else answered + 1
        self.in_use = True
        # What a unit finds after its thread has ended is not lost.
        _put_use(cells, _USE_OFFSET, unit, time.monotonic_ns() if at_ns is None else at_ns, using, ALIVE)
        served = self.served
        if first and served:
            reused = self.reused
            cells[REUSED + pair] = reused[pair] = reused[pair] + 1
        elif first:
            cells[OPENED + pair] = 1
        cells[SERVED] = self.served = served + 1

    def closed(self, reason: CloseReason) -> None:
        """Record the end; the first call counts, later ones do nothing."""
        self.cells[layout.CLOSED_NS] = time.monotonic_ns()
        self._finish(layout.CLOSED + reason, OPEN)

    def collected(self) -> None:
        """Record the end of a connection that no code has closed, or that its pool closed unseen.

        In a forked child only a copy was collected: drivers leave a connection alone that another process has made.
        """
        if not self.ledger.mark[0]:
            return
        kept = self.cells[layout.POOL] == layout.AVAILABLE
        self.closed(CloseReason.POOL if kept else CloseReason.GARBAGE_COLLECTED)

    def _finish(self, state: int, expected: tuple[int, ...]) -> None:
        cells = self.cells
        # After a fork both processes hold this row, and one of them may have put it to new use.
        if cells[layout.SEQUENCE] == self._sequence and cells[layout.STATE] in expected:
            cells[layout.STATE] = state
            self.ledger.finished.append(cells)
            self.leaves()
