"""What a ledger's file holds at one instant: its cells, its rows and its names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation import layout
from loadlab.instrumentation.archive import DamagedError
from loadlab.model.holders import Holder
from loadlab.model.metrics import UnitKind
from loadlab.model.once import Once
from loadlab.model.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.open_connections import Unit

_ATTEMPTS: Final = 100  # to read a ledger between two of its turns; one is nearly always enough
_OUTSIDE: Final = f"{UnitKind.OTHER.label}:"
_LEFT: Final = (layout.ENDED, layout.KEPT)


class LedgerContent:
    """A copy of the file.

    Raises:
        DamagedError: it is no ledger of this version.
    """

    def __init__(self, content: bytes) -> None:
        whole, rest = divmod(len(content) - layout.ROWS_OFFSET, layout.SEGMENT_BYTES)
        if whole < 0 or rest % (layout.ROW_CELLS * layout.CELL_BYTES):
            raise DamagedError("not the length of a ledger")
        self._bytes = memoryview(content)
        self.cells = self._bytes.cast("q")
        if rest and not self.cells[layout.GROWING_CELL]:
            raise DamagedError("a part of a ledger")
        if self.cells[layout.MAGIC_CELL] != layout.MAGIC or self.cells[layout.VERSION_CELL] != layout.VERSION:
            raise DamagedError("not a ledger of this version")
        self.has_holders = bool(self.cells[layout.HOLDERS_CELL])

    @classmethod
    def of(cls, file: int) -> LedgerContent:
        """Of an open file, which its process may write to meanwhile."""
        for _ in range(_ATTEMPTS):
            content = cls(os.pread(file, os.fstat(file).st_size, 0))
            turn = os.pread(file, layout.CELL_BYTES, layout.TURN_CELL * layout.CELL_BYTES)
            if int.from_bytes(turn, "little") == content.cells[layout.TURN_CELL]:
                break
        return content

    def bank(self, offset: int, length: int) -> list[int]:
        """That of two banks whose turn it is."""
        start = offset // layout.CELL_BYTES + self.cells[layout.TURN_CELL] % 2 * length
        return self.cells[start : start + length].tolist()

    def rows(self) -> Iterator[memoryview]:
        """Those that are in use and not yet in the totals, each as long as with its holder, if there are holders."""
        first, added = layout.ROWS_OFFSET // layout.CELL_BYTES, self.bank(layout.BANKS_OFFSET, layout.BANK_CELLS)[0]
        length = layout.ROW_WITH_HOLDER_CELLS if self.has_holders else layout.ROW_CELLS
        for number, sequence in enumerate(self.cells[first + layout.SEQUENCE :: layout.ROW_CELLS].tolist()):
            if sequence and sequence != added:
                start = first + number * layout.ROW_CELLS
                if self.cells[start + layout.STATE] != layout.FREE:
                    yield self.cells[start : start + length]

    @property
    def server(self) -> str:
        """The mode in which the process serves a project; "" where it serves none, or in one that is not known here."""
        number = self.cells[layout.SERVER_CELL]
        return layout.MODES[number] if 0 <= number < len(layout.MODES) else ""

    @Once
    def aliases(self) -> list[str]:
        """By their numbers; "" for those that are not in use."""
        return self._texts(layout.ALIASES_OFFSET, layout.ALIASES, layout.ALIAS_BYTES)

    @Once
    def names(self) -> list[str]:
        """Of units of work and of threads, by their numbers, each on one line."""
        return [one_line(name) for name in self._texts(layout.NAMES_OFFSET, layout.NAMES, layout.NAME_BYTES)]

    @Once
    def units(self) -> list[Unit | None]:
        """The same names as units of work; None of one that names none."""
        # Every process of a project reads ledgers, and few list connections.
        from loadlab.model.open_connections import Unit  # noqa: PLC0415

        parts = (name.partition(":") for name in self.names)
        return [Unit(kind=kind, name=name) if kind else None for kind, _, name in parts]

    def _texts(self, offset: int, count: int, size: int) -> list[str]:
        starts = range(offset, offset + count * size, size)
        return [bytes(self._bytes[at : at + size]).split(b"\0", 1)[0].decode(errors="replace") for at in starts]

    @Once
    def _outside(self) -> frozenset[int]:
        """The numbers of what is no request, task or message."""
        return frozenset(number for number, name in enumerate(self.names) if name.startswith(_OUTSIDE))

    def holder(self, row: memoryview) -> Holder:
        """Who holds the connection of an open row."""
        if not self.has_holders:
            return Holder.UNKNOWN
        if row[layout.LIFE] in _LEFT:
            return Holder.LEAKED
        if row[layout.POOL] == layout.AVAILABLE:
            return Holder.POOL
        if (row[layout.USED_BY] if row[layout.SERVED] else row[layout.OPENED_BY]) in self._outside:
            return Holder.OUTSIDE
        # Of a connection apart, Django is not told when the unit that uses it has ended.
        return Holder.IN_USE if row[layout.USING] and not row[layout.PLACE] & layout.APART else Holder.IDLE
