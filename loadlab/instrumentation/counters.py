"""Counters: what all ledgers of a directory say together, of processes that live and of those that have ended."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation import layout
from loadlab.instrumentation.archive import Archive, DamagedError, Kind, add
from loadlab.instrumentation.ledger import SUFFIX
from loadlab.model.counts import ConnectionCounts
from loadlab.model.metrics import CloseReason, ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_STATES: Final = frozenset(
    [layout.CONNECTING, layout.OPEN, layout.WAITING, layout.LENT, layout.INHERITED]
    + [layout.FAILED + kind for kind in ConnectError]
    + [layout.CLOSED + reason for reason in CloseReason]
)
_ATTEMPTS: Final = 100  # to read a ledger between two of its turns; one is nearly always enough


@dataclass(frozen=True, slots=True)
class Totals:
    """The cells of one database alias; durations in seconds, histograms as counts per bucket (last one: +Inf)."""

    cells: tuple[int, ...]

    @property
    def closed(self) -> dict[CloseReason, int]:
        return {reason: self.cells[layout.CLOSED_AT + reason] for reason in CloseReason}

    @property
    def open(self) -> int:
        return self.cells[layout.OPEN_AT]

    @property
    def opened(self) -> int:
        return sum(self.closed.values()) + self.open

    @property
    def unsettled(self) -> int:
        """Attempts to connect that are under way, or were when their process was killed."""
        return self.cells[layout.UNSETTLED_AT]

    @property
    def connect_errors(self) -> dict[ConnectError, int]:
        return {kind: self.cells[layout.FAILED_AT + kind] for kind in ConnectError}

    @property
    def requests_opened(self) -> int:
        """Requests that were the first of their connection."""
        return self.cells[layout.OPENED_FOR_AT]

    @property
    def requests_reused(self) -> int:
        """Requests whose connection had served others before."""
        return self.cells[layout.REQUESTED_AT] - self.cells[layout.OPENED_FOR_AT]

    @property
    def connect_buckets(self) -> tuple[int, ...]:
        return self.cells[layout.CONNECT_AT : layout.CONNECT_SUM_US_AT]

    @property
    def connect_seconds(self) -> float:
        return self.cells[layout.CONNECT_SUM_US_AT] / 1e6

    @property
    def age_buckets(self) -> tuple[int, ...]:
        return self.cells[layout.AGE_AT : layout.AGE_SUM_US_AT]

    @property
    def age_seconds(self) -> float:
        return self.cells[layout.AGE_SUM_US_AT] / 1e6

    @property
    def request_buckets(self) -> tuple[int, ...]:
        return self.cells[layout.REQUESTS_AT : layout.REQUESTS_SUM_AT]

    @property
    def pool_size(self) -> int:
        return self.cells[layout.POOLED_AT]

    @property
    def pool_available(self) -> int:
        return self.cells[layout.AVAILABLE_AT]

    @property
    def pool_waiting(self) -> int:
        return self.cells[layout.WAITING_AT]

    @property
    def wait_buckets(self) -> tuple[int, ...]:
        return self.cells[layout.WAIT_AT : layout.WAIT_SUM_US_AT]

    @property
    def wait_seconds(self) -> float:
        return self.cells[layout.WAIT_SUM_US_AT] / 1e6

    @property
    def pooled(self) -> bool:
        """Whether a pool holds any of the connections, or has ever lent one."""
        return bool(self.pool_size or self.pool_waiting or any(self.wait_buckets))

    @property
    def requests(self) -> int:
        """Requests served by connections that have closed."""
        return self.cells[layout.REQUESTS_SUM_AT]

    @property
    def counts(self) -> ConnectionCounts:
        """All but the histograms, as the rest of loadlab counts; a histogram's sum and number of values stay."""
        return ConnectionCounts(
            opened=self.opened,
            reused=self.requests_reused,
            closed={reason.label: count for reason, count in self.closed.items() if count},
            open=self.open,
            connect_errors={kind.label: count for kind, count in self.connect_errors.items() if count},
            unsettled=self.unsettled,
            connect_seconds_sum=self.connect_seconds,
            waits=sum(self.wait_buckets),
            wait_seconds_sum=self.wait_seconds,
            first_uses=self.requests_opened,
            connects=sum(self.connect_buckets),
            ended=sum(self.age_buckets),
            ended_seconds_sum=self.age_seconds,
            pool_size=self.pool_size,
            pool_available=self.pool_available,
            pool_waiting=self.pool_waiting,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the ledgers say at one instant: totals by alias, live processes, and files that had to be set aside."""

    aliases: dict[str, Totals]
    processes: int
    damaged: int

    def of(self, aliases: Iterable[str]) -> Totals:
        """The totals of several aliases together; all zero for those that were not used."""
        known = [self.aliases[alias].cells for alias in aliases if alias in self.aliases]
        return Totals(tuple(map(sum, zip([0] * layout.ALIAS_CELLS, *known, strict=True))))


class CounterSet:
    """Reads the ledgers of `directory`."""

    def __init__(self, directory: Path, archive: type[Archive] = Archive) -> None:
        self._ledgers = archive(directory, LEDGERS)

    def read(self) -> Snapshot:
        """Count everything once; safe at any time, from any process, several at once.

        Raises:
            OSError: the directory cannot be read or written.
        """
        sums = self._ledgers.read()
        aliases = {alias: Totals(tuple(cells)) for alias, cells in sorted(sums.cells.items())}
        return Snapshot(aliases, sums.processes, sums.damaged)


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
    start = layout.BANKS_OFFSET // layout.CELL_BYTES + cells[layout.TURN_CELL] % 2 * layout.BANK_CELLS
    bank = cells[start : start + layout.BANK_CELLS].tolist()
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
    edges = range(1, layout.BANK_CELLS + 1, layout.ALIAS_CELLS)
    if ended and min(bank) < 0:  # one that lives may be in the middle of a row
        raise DamagedError("counts below zero")
    found: dict[str, list[int]] = {}
    for name, (a, b) in zip(_names(content), pairwise(edges), strict=False):
        if name:
            add(found, name, bank[a:b])
    return found


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
    suffix=SUFFIX, version=layout.TOTALS_VERSION, cells=layout.ALIAS_CELLS, read=_read, archive="archive.json"
)
