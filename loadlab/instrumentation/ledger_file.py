"""Reads the ledger of one process, which lives or has ended."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation import layout
from loadlab.instrumentation.archive import DamagedError, Kind, add
from loadlab.instrumentation.ledger import SUFFIX
from loadlab.model.metrics import CloseReason, ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATES: Final = frozenset(
    [layout.CONNECTING, layout.OPEN, layout.WAITING, layout.LENT, layout.INHERITED]
    + [layout.FAILED + kind for kind in ConnectError]
    + [layout.CLOSED + reason for reason in CloseReason]
)
_ATTEMPTS: Final = 100  # to read a ledger between two of its turns; one is nearly always enough


def _read(file: int, ended: bool) -> dict[str, list[int]]:  # noqa: FBT001  as the kind of file calls it
    """What a ledger holds by alias; what an ended process left open has closed with it."""
    for _ in range(_ATTEMPTS):
        cells = _cells(os.pread(file, os.fstat(file).st_size, 0))
        turn = os.pread(file, layout.CELL_BYTES, layout.TURN_CELL * layout.CELL_BYTES)
        if int.from_bytes(turn, "little") == cells.cast("q")[layout.TURN_CELL]:
            break
    return _sum_up(cells, ended=ended)


def _cells(content: bytes) -> memoryview:
    whole, rest = divmod(len(content) - layout.ROWS_OFFSET, layout.SEGMENT_BYTES)
    if whole < 0 or rest:
        raise DamagedError("not the length of a ledger")
    view = memoryview(content)
    header = view[: layout.HEADER_CELLS * layout.CELL_BYTES].cast("q")
    if header[layout.MAGIC_CELL] != layout.MAGIC or header[layout.VERSION_CELL] != layout.VERSION:
        raise DamagedError("not a ledger of this version")
    return view


def _sum_up(content: memoryview, *, ended: bool) -> dict[str, list[int]]:
    cells = content.cast("q")
    bank = _bank(cells, layout.BANKS_OFFSET, layout.BANK_CELLS)
    units = _bank(cells, layout.UNITS_OFFSET, layout.UNITS_BANK_CELLS)
    for row in _rows(cells):
        if row[layout.STATE] == layout.FREE or row[layout.SEQUENCE] == bank[0]:
            continue
        if row[layout.STATE] not in _STATES or not 0 <= row[layout.ALIAS] < layout.ALIASES:
            raise DamagedError("an invalid row")
        if ended and row[layout.STATE] == layout.OPEN:
            row[layout.STATE] = layout.CLOSED + CloseReason.PROCESS_EXIT
        if ended and row[layout.STATE] == layout.WAITING:
            continue  # the wait ended with the process, without a connection
        layout.add_row(bank, 1 + row[layout.ALIAS] * layout.ALIAS_CELLS, row)
        layout.add_units(units, row)
    if ended and min(*bank, *units) < 0:  # one that lives may be in the middle of a row
        raise DamagedError("counts below zero")
    found: dict[str, list[int]] = {}
    for name, own, of_kinds in zip(_names(content), _split(bank[1:]), _split(units), strict=True):
        if name:
            add(found, name, [*own, *of_kinds, *layout.roles(cells[layout.ROLE_CELL], own)])
    return found


def _bank(cells: memoryview, offset: int, length: int) -> list[int]:
    """That of two banks whose turn it is."""
    start = offset // layout.CELL_BYTES + cells[layout.TURN_CELL] % 2 * length
    return cells[start : start + length].tolist()


def _split(bank: list[int]) -> Iterator[list[int]]:
    """The cells of each alias."""
    length = len(bank) // layout.ALIASES
    return (bank[start : start + length] for start in range(0, len(bank), length))


def _rows(cells: memoryview) -> Iterator[list[int]]:
    """Those that were ever in use."""
    first = layout.ROWS_OFFSET // layout.CELL_BYTES
    for number, sequence in enumerate(cells[first + layout.SEQUENCE :: layout.ROW_CELLS].tolist()):
        if sequence:
            start = first + number * layout.ROW_CELLS
            yield cells[start : start + layout.ROW_CELLS].tolist()


def _names(content: memoryview) -> Iterator[str]:
    for number in range(layout.ALIASES):
        start = layout.ALIASES_OFFSET + number * layout.ALIAS_BYTES
        yield bytes(content[start : start + layout.ALIAS_BYTES]).split(b"\0", 1)[0].decode(errors="replace")


LEDGERS: Final = Kind(
    suffix=SUFFIX,
    version=layout.TOTALS_VERSION,
    cells=layout.ALIAS_CELLS,
    added=layout.ADDED_CELLS,
    read=_read,
    archive="archive.json",
)
