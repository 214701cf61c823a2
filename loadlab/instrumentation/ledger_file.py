"""Reads the ledger of one process, which lives or has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.instrumentation import layout
from loadlab.instrumentation.archive import DamagedError, Kind, add
from loadlab.instrumentation.ledger import SUFFIX
from loadlab.instrumentation.ledger_content import LedgerContent
from loadlab.model.metrics import CloseReason, ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATES: Final = frozenset(
    [layout.CONNECTING, layout.OPEN, layout.WAITING, layout.LENT, layout.INHERITED]
    + [layout.FAILED + kind for kind in ConnectError]
    + [layout.CLOSED + reason for reason in CloseReason]
)


def _read(file: int, ended: bool) -> dict[str, list[int]]:  # noqa: FBT001  as the kind of file calls it
    """What a ledger holds by alias; what an ended process left open has closed with it."""
    return _sum_up(LedgerContent.of(file), ended=ended)


def _sum_up(content: LedgerContent, *, ended: bool) -> dict[str, list[int]]:
    bank = content.bank(layout.BANKS_OFFSET, layout.BANK_CELLS)
    units = content.bank(layout.UNITS_OFFSET, layout.UNITS_BANK_CELLS)
    holders = [0] * (layout.ALIASES * layout.HOLDER_CELLS)
    for held in content.rows():
        row = held[: layout.ROW_CELLS].tolist()
        if row[layout.STATE] not in _STATES or not 0 <= row[layout.ALIAS] < layout.ALIASES:
            raise DamagedError("an invalid row")
        if ended and row[layout.STATE] == layout.OPEN:
            row[layout.STATE] = layout.CLOSED + CloseReason.PROCESS_EXIT
        if ended and row[layout.STATE] == layout.WAITING:
            continue  # the wait ended with the process, without a connection
        if row[layout.STATE] == layout.OPEN:
            holders[row[layout.ALIAS] * layout.HOLDER_CELLS + content.holder(held)] += 1
        layout.add_row(bank, 1 + row[layout.ALIAS] * layout.ALIAS_CELLS, row)
        layout.add_units(units, row)
    if ended and min(*bank, *units) < 0:  # one that lives may be in the middle of a row
        raise DamagedError("counts below zero")
    found: dict[str, list[int]] = {}
    each = zip(content.aliases, _split(bank[1:]), _split(units), _split(holders), strict=True)
    for name, own, of_kinds, held_by in each:
        if name:
            roles = layout.roles(content.cells[layout.ROLE_CELL], own)
            add(found, name, [*own, *of_kinds, *roles, *held_by])
    return found


def _split(bank: list[int]) -> Iterator[list[int]]:
    """The cells of each alias."""
    length = len(bank) // layout.ALIASES
    return (bank[start : start + length] for start in range(0, len(bank), length))


LEDGERS: Final = Kind(
    suffix=SUFFIX,
    version=layout.TOTALS_VERSION,
    cells=layout.ALIAS_CELLS,
    added=layout.ADDED_CELLS,
    passing=layout.HOLDER_CELLS,
    read=_read,
    archive="archive.json",
)
