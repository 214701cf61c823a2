"""Reads what the processes of a target have written down of their requests' uses of connections.

The format is an array of records of 8-byte cells. A record whose BEGAN_NS is zero was never in use, and none is in use
behind it but those that other threads were about to begin.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VARIABLE: Final = "LOADLAB_USES"  # of a target's environment: the aliases whose uses are recorded
SUFFIX: Final = ".uses"
# Cells of a record. THREAD is never given twice in a process. CONNECT_NS is -1 where the request found a connection.
# COLLECTED_NS is of the connection that this request was the last to use: when the garbage collector closed it, 0 while
# it is open, and -1 where it was closed otherwise. STARTED_NS is when Django's WSGI handler was called, 0 under ASGI.
# Of Python's garbage collector at BEGAN_NS: YOUNG_PPM is what it has counted towards the next search of the youngest
# generation, in millionths, and SEARCHES how many there were since the last of the second. -1 where it is off.
BEGAN_NS, ENDED_NS, THREAD, CONNECT_NS, COLLECTED_NS, STARTED_NS, YOUNG_PPM, SEARCHES = range(8)
CELLS: Final = 8
CELL_BYTES: Final = 8
RECORDS: Final = 1 << 16
FILE_BYTES: Final = RECORDS * CELLS * CELL_BYTES
NOT_OPENED: Final = -1
NOT_COLLECTED: Final = -1
GAP: Final = 256  # records that were never in use, behind which none is: threads about to begin one are not so many
NS: Final = 1e-9
PPM: Final = 1e-6


class Use(NamedTuple):
    """One request's use of its connection, in monotonic seconds; `process` and `thread` are numbers.

    `began` is its first query, and `ended` when the request let go of the connection. `connect` is how long the
    connection took to open before; None where it was open. Of the connection that this request was the last to use,
    `collected` is when the garbage collector closed it, and `closed` says that it was closed otherwise. `started` is
    when Django began with the request; None under ASGI. When the use began, the garbage collector had counted the share
    `young` of what it waits for until it searches the youngest generation, and had searched it so often (`searches`)
    since it last searched the second; None where it is off.
    """

    began: float
    ended: float
    process: int
    thread: int
    connect: float | None = None
    collected: float | None = None
    closed: bool = False
    started: float | None = None
    young: float | None = None
    searches: int | None = None


def read_uses(directory: Path) -> list[Use]:
    """The uses that have ended, in the order in which they began, of all processes of a directory.

    A file that is full leaves out what came later: then nothing that began later, in any process, is there.
    """
    by_process = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        with suppress(OSError):
            by_process.append(list(_records(path.read_bytes())))
    full = [max(record[BEGAN_NS] for record in records) for records in by_process if len(records) >= RECORDS]
    last = min(full, default=None)
    return sorted(
        _use(number, record)
        for number, records in enumerate(by_process)
        for record in records
        if record[ENDED_NS] and (last is None or record[BEGAN_NS] <= last)
    )


def _records(content: bytes) -> Iterator[list[int]]:
    whole = len(content) // CELL_BYTES // CELLS * CELLS
    cells = memoryview(content)[: whole * CELL_BYTES].cast("q")
    unused = 0
    for start in range(0, whole, CELLS):
        if cells[start + BEGAN_NS]:
            unused = 0
            yield cells[start : start + CELLS].tolist()
        elif (unused := unused + 1) > GAP:
            return


def _use(process: int, record: list[int]) -> Use:
    connect, collected = record[CONNECT_NS], record[COLLECTED_NS]
    return Use(
        began=record[BEGAN_NS] * NS,
        ended=record[ENDED_NS] * NS,
        process=process,
        thread=record[THREAD],
        connect=None if connect == NOT_OPENED else connect * NS,
        collected=collected * NS if collected > 0 else None,
        closed=collected == NOT_COLLECTED,
        started=record[STARTED_NS] * NS if record[STARTED_NS] else None,
        young=record[YOUNG_PPM] * PPM if record[YOUNG_PPM] >= 0 else None,
        searches=record[SEARCHES] if record[SEARCHES] >= 0 else None,
    )
