"""The ledger's format: one memory-mapped file per process, one row of int64 cells per database connection.

A row changes by plain 8-byte stores of which the last one carries the meaning, so every instant is a readable state
and a process may be killed between any two of them. Every count is derived from rows by `add_row`: in the process
itself when it takes a finished row into use again, and in readers for all rows not yet reused. Nothing is counted in
two places, and nothing that a finaliser does is more than such a store.

    offset 0             header cells, then the names of the database aliases
    offset BANKS_OFFSET  two banks of totals, of which `TURN % 2` is the one that holds
    offset UNITS_OFFSET  two banks of units by kind, of which the same holds
    offset NAMES_OFFSET  names of units of work and of threads, to which rows refer by their numbers
    offset ROWS_OFFSET   rows, in segments; behind each segment one that says who holds each of its connections

An earlier loadlab knows no kinds of units, no roles and no holders. It leaves their cells zero in what it writes, and
skips them in what it reads: so processes of both may share a folder during an upgrade. To it a segment of holders is
one of rows that were never in use.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from loadlab.model.holders import COUNTED
from loadlab.model.metrics import (
    AGE_SECONDS,
    CONNECT_SECONDS,
    REQUESTS_PER_CONNECTION,
    CloseReason,
    ConnectError,
    ProcessRole,
    UnitKind,
)

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence

MAGIC: Final = int.from_bytes(b"LOADLAB\x00", "little")
VERSION: Final = 3  # of a ledger
TOTALS_VERSION: Final = 2  # of an alias's cells in the totals, which archives keep
CELL_BYTES: Final = 8
NS_PER_SECOND: Final = 1_000_000_000
NS_PER_US: Final = 1_000

# Header cells; TURN grows by one whenever a finished row has been moved into the totals.
# ROLE and SERVER are set when the first row begins, and stay: SERVER is a number of MODES. HOLDERS is 1 where segments
# of rows have holders behind them. GROWING is 1 while a segment is added, and stays so if the disk had no room for it:
# the last one may be there in part.
MAGIC_CELL, VERSION_CELL, TURN_CELL, ROLE_CELL, HOLDERS_CELL, GROWING_CELL, SERVER_CELL = range(7)
HEADER_CELLS: Final = 7
MODES: Final = ("", "sync", "gthread", "threaded", "gevent", "asgi", "tornado", "wsgi")  # as `serving` names them
ALIASES: Final = 16
ALIAS_BYTES: Final = 128
ALIASES_OFFSET: Final = 1024

# Cells of a row. Times are monotonic nanoseconds, one clock for all processes of a machine.
# SERVED: units of work that the connection has served. OPENED, REUSED: those of them whose first use of the database it
# was, by whether the connection had served none before; each kind of unit has such a pair, and requests have the first.
STATE, SEQUENCE, ALIAS, STARTED_NS, CONNECT_NS, CLOSED_NS, POOL, SERVED, OPENED, REUSED = range(10)
PAIR: Final = 2
ROW_CELLS: Final = 16  # so that a segment is as long as the largest page, to which files are mapped
UNKNOWN_NS: Final = -1  # CONNECT_NS of a connection that was open when counting began
ROWS_PER_SEGMENT: Final = 512

# Cells of the holder of a row's connection, so far behind the row; the first two are those that make it no row.
# BACKEND: the process of PostgreSQL, or the number that another database has for the connection. THREAD: the kernel's.
# THREAD_NAME, OPENED_BY, USED_BY: numbers of names. USED_NS: when the last unit of work began to use it or, outside of
# units, when it was used last; and USING whether that has not ended. PLACE: who has opened it, and how.
HOLDER: Final = ROWS_PER_SEGMENT * ROW_CELLS
_, _, BACKEND, THREAD, THREAD_NAME, OPENED_BY, USED_BY, USED_NS, USING, LIFE, PLACE = range(HOLDER, HOLDER + 11)
ROW_WITH_HOLDER_CELLS: Final = HOLDER + ROW_CELLS

# Values of LIFE: whether the thread or greenlet that opened it still lives. KEPT: it has ended, the garbage collector
# has been where the connection would have gone, and something still refers to it.
ALIVE: Final = 1
ENDED: Final = 2
KEPT: Final = 3

# What USING adds up: its view had returned before the unit used the connection; the unit before it never ended here.
ANSWERED: Final = 2
UNENDED: Final = 4

# What PLACE adds up: it was opened for a request of the ASGI handler, by a thread of a ThreadPoolExecutor, or by a
# wrapper that Django's handler has not made, and will not close.
ASGI: Final = 1
EXECUTOR: Final = 2
APART: Final = 4

# Values of STATE: LENT, FAILED + kind and CLOSED + reason are final.
FREE: Final = 0
CONNECTING: Final = 1
OPEN: Final = 2
WAITING: Final = 3  # for a pool's connection
LENT: Final = 4  # the pool gave one that has its own row
INHERITED: Final = 5  # a connection that the parent process has opened: its requests here are counted, and no more
FAILED: Final = 100
CLOSED: Final = 200

# Values of POOL, of an open connection: whether a pool holds it, and whether it could lend it now.
NO_POOL: Final = 0
IN_USE: Final = 1
AVAILABLE: Final = 2

# Cells of one alias in the totals. Histogram buckets are not cumulative; the last one is +Inf.
CLOSED_AT: Final = 0  # one cell per CloseReason
FAILED_AT: Final = CLOSED_AT + len(CloseReason)  # one cell per ConnectError
OPEN_AT: Final = FAILED_AT + len(ConnectError)
UNSETTLED_AT: Final = OPEN_AT + 1  # attempts with no outcome yet
OPENED_FOR_AT: Final = UNSETTLED_AT + 1  # units, of any kind, that were the first of their connection
REQUESTED_AT: Final = OPENED_FOR_AT + 1  # all units
CONNECT_AT: Final = REQUESTED_AT + 1
CONNECT_SUM_US_AT: Final = CONNECT_AT + len(CONNECT_SECONDS) + 1
AGE_AT: Final = CONNECT_SUM_US_AT + 1
AGE_SUM_US_AT: Final = AGE_AT + len(AGE_SECONDS) + 1
REQUESTS_AT: Final = AGE_SUM_US_AT + 1
REQUESTS_SUM_AT: Final = REQUESTS_AT + len(REQUESTS_PER_CONNECTION) + 1
POOLED_AT: Final = REQUESTS_SUM_AT + 1
AVAILABLE_AT: Final = POOLED_AT + 1
WAITING_AT: Final = AVAILABLE_AT + 1
WAIT_AT: Final = WAITING_AT + 1
WAIT_SUM_US_AT: Final = WAIT_AT + len(CONNECT_SECONDS) + 1
ALIAS_CELLS: Final = WAIT_SUM_US_AT + 1

# Cells that a reader adds to those of an alias. Requests and the role "other" have none: they are what is left.
UNITS_AT: Final = ALIAS_CELLS  # opened and reused, of each kind of unit but requests
UNIT_CELLS: Final = PAIR * (len(UnitKind) - 1)
ROLES_AT: Final = UNITS_AT + UNIT_CELLS  # open and opened, of each role but "other"
ROLE_CELLS: Final = PAIR * (len(ProcessRole) - 1)
ADDED_CELLS: Final = UNIT_CELLS + ROLE_CELLS
HOLDERS_AT: Final = ALIAS_CELLS + ADDED_CELLS  # open, by holder
HOLDER_CELLS: Final = len(COUNTED)
CELLS: Final = HOLDERS_AT + HOLDER_CELLS

# A bank starts with the SEQUENCE of the row that was added to it last.
BANK_CELLS: Final = 1 + ALIASES * ALIAS_CELLS
BANKS_OFFSET: Final = 4096
UNITS_OFFSET: Final = 32 * 1024
UNITS_BANK_CELLS: Final = ALIASES * UNIT_CELLS
NAMES_OFFSET: Final = 36 * 1024
NAME_BYTES: Final = 128
NAMES: Final = 224  # number 0 is no name
THREAD_NAMES: Final = range(1, 32)
UNIT_NAMES: Final = range(THREAD_NAMES.stop, NAMES - len(UnitKind) - 1)
OTHER_UNITS: Final = UNIT_NAMES.stop  # one for each kind, for those beyond
OTHER_THREADS: Final = NAMES - 1
ROWS_OFFSET: Final = 64 * 1024  # a multiple of mmap's granularity on every platform
SEGMENT_BYTES: Final = ROWS_PER_SEGMENT * ROW_CELLS * CELL_BYTES
DIGEST_CHARACTERS: Final = 8


def fitted(name: str, size: int) -> bytes:
    """A name in at most `size` bytes, ended by a zero byte where there is room; another name gives other bytes.

    One that is too long is cut, and one that cannot be kept as it is (empty, or with a zero byte or half a character)
    changed; both end in "~" and a digest of the whole.
    """
    encoded = name.encode(errors="replace").replace(b"\0", b"?")
    if 0 < len(encoded) < size and encoded.decode() == name:
        return encoded
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:DIGEST_CHARACTERS]
    kept = encoded[: size - 1 - len("~") - DIGEST_CHARACTERS].decode(errors="ignore")
    return f"{kept}~{digest}".encode()


def add_row(totals: MutableSequence[int] | memoryview, at: int, row: Sequence[int] | memoryview) -> None:
    """Add one row to the cells of its alias, which start at index `at` of `totals`."""
    state = row[STATE]
    if state >= CLOSED:
        totals[at + CLOSED_AT + state - CLOSED] += 1
        _add_connection(totals, at, row)
        _add_end(totals, at, row)
    elif state == OPEN:
        totals[at + OPEN_AT] += 1
        totals[at + POOLED_AT] += row[POOL] != NO_POOL
        totals[at + AVAILABLE_AT] += row[POOL] == AVAILABLE
        _add_connection(totals, at, row)
    elif state >= FAILED:
        totals[at + FAILED_AT + state - FAILED] += 1
    elif state == CONNECTING:
        totals[at + UNSETTLED_AT] += 1
    elif state == WAITING:
        totals[at + WAITING_AT] += 1
    elif state == LENT:
        _add_duration(totals, at + WAIT_AT, row[CONNECT_NS])
    elif state == INHERITED:
        totals[at + REQUESTED_AT] += sum(row[REUSED::PAIR])


def add_units(units: MutableSequence[int] | memoryview, row: Sequence[int] | memoryview) -> None:
    """Add one row to the cells of units by kind, which have a stretch for each alias."""
    counts = row[OPENED + PAIR :]
    if any(counts):  # a web process has none
        at = row[ALIAS] * UNIT_CELLS
        for number, count in enumerate(counts):
            units[at + number] += count


def roles(role: int, cells: Sequence[int]) -> list[int]:
    """The cells of roles, of an alias whose `cells` are of a process with this role; one that is unknown has none."""
    made = [0] * ROLE_CELLS
    if 0 < role < len(ProcessRole):
        made[PAIR * (role - 1)] = cells[OPEN_AT]
        made[PAIR * (role - 1) + 1] = cells[OPEN_AT] + sum(cells[CLOSED_AT:FAILED_AT])
    return made


def _add_connection(totals: MutableSequence[int] | memoryview, at: int, row: Sequence[int] | memoryview) -> None:
    totals[at + OPENED_FOR_AT] += sum(row[OPENED::PAIR])
    totals[at + REQUESTED_AT] += sum(row[OPENED:])
    if row[CONNECT_NS] != UNKNOWN_NS:
        _add_duration(totals, at + CONNECT_AT, row[CONNECT_NS])


def _add_duration(totals: MutableSequence[int] | memoryview, at: int, duration_ns: int) -> None:
    """Into a histogram of CONNECT_SECONDS that starts at index `at`, and its sum behind it."""
    totals[at + bisect_left(CONNECT_SECONDS, duration_ns / NS_PER_SECOND)] += 1
    totals[at + len(CONNECT_SECONDS) + 1] += duration_ns // NS_PER_US


def _add_end(totals: MutableSequence[int] | memoryview, at: int, row: Sequence[int] | memoryview) -> None:
    served = row[SERVED]
    totals[at + REQUESTS_AT + bisect_left(REQUESTS_PER_CONNECTION, served)] += 1
    totals[at + REQUESTS_SUM_AT] += served
    if row[STATE] - CLOSED != CloseReason.PROCESS_EXIT:  # its age at the end is not known
        age_ns = row[CLOSED_NS] - row[STARTED_NS] - max(row[CONNECT_NS], 0)
        totals[at + AGE_AT + bisect_left(AGE_SECONDS, age_ns / NS_PER_SECOND)] += 1
        totals[at + AGE_SUM_US_AT] += age_ns // NS_PER_US
