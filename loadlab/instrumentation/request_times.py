"""The times of the requests that a process answers, in a file that survives any end of the process.

For each route, method and class of status there is a slot: a histogram, and its name. Counts are 8-byte stores into
mapped memory, so what is counted stays when the process ends.

    offset 0             header cells
    offset SLOTS_OFFSET  slots, put to use in order; the file has all of them from its beginning on
"""

from __future__ import annotations

import mmap
import sys
import threading
from bisect import bisect_left
from itertools import count
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation.layout import CELL_BYTES, NS_PER_SECOND, fitted
from loadlab.instrumentation.process_file import ProcessFile
from loadlab.model.metrics import HTTP_METHODS, HTTP_SECONDS, OTHER, STATUS_CLASSES

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX: Final = ".timesheet"  # an earlier word; files of an earlier loadlab count on
MAGIC: Final = int.from_bytes(b"LABTIME\x00", "little")
VERSION: Final = 1

# Header cells. A signal's handler may come between, so up to GAP slots more than USED says may be in use.
MAGIC_CELL, VERSION_CELL, USED_CELL = range(3)
SLOTS_OFFSET: Final = 4096

# A slot: counts by bucket, the last one above all bounds; the sum; the name, ended by a zero byte.
SUM_NS_AT: Final = len(HTTP_SECONDS) + 1
SLOT_CELLS: Final = SUM_NS_AT + 1
NAME_AT: Final = SLOT_CELLS * CELL_BYTES
SLOT_BYTES: Final = 512
NAME_BYTES: Final = SLOT_BYTES - NAME_AT

NAMED_SERIES: Final = 200
GAP: Final = 16
OTHER_SERIES: Final = (len(HTTP_METHODS) + 1) * (len(STATUS_CLASSES) + 1)
# GAP: two slots may be taken for one series, by a signal's handler in the middle of taking one.
SLOTS: Final = NAMED_SERIES + OTHER_SERIES + GAP
FILE_BYTES: Final = SLOTS_OFFSET + SLOTS * SLOT_BYTES

FREE_THREADED: Final = not getattr(sys, "_is_gil_enabled", lambda: True)()
NO_STATUS: Final = 0  # of a request without a response
_METHODS: Final = frozenset(HTTP_METHODS)
_CLASSES: Final = {int(label[0]): label for label in STATUS_CLASSES}
_BOUNDS_NS: Final = tuple(round(seconds * NS_PER_SECOND) for seconds in HTTP_SECONDS)

Series = tuple[str, str, str]  # route, method, class of status
Slot = tuple[list[int], memoryview]  # what is in a slot, for that is read faster from a list; and its cells


class RequestTimes:
    """The file of this process, in `directory`; with None, kept in memory, where no reader finds it.

    To add to it waits for nothing, or in a Python without a GIL for other threads, for as long as two stores take. A
    signal's handler or a finaliser may add in the middle of it.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, directory: Path | None) -> None:
        self._file = ProcessFile(directory, SUFFIX)
        self._mutex = threading.RLock()
        self._series: dict[Series, Slot] = {}
        self._found: dict[str, dict[str | None, dict[int, Slot]]] = {}  # the same by route, method and status
        self._slots = count()
        self._bytes = self._file.mapped(FILE_BYTES)
        self._header = self._bytes[:SLOTS_OFFSET].cast("q")
        self._header[VERSION_CELL] = VERSION
        self._header[MAGIC_CELL] = MAGIC
        self._file.publish()

    def add(self, route: str, method: str | None, status: int, duration_ns: int) -> None:
        """Count one request; it is in the file when this returns."""
        try:
            counts, cells = self._found[route][method][status]
        except KeyError:
            counts, cells = self._begun(route, method, status)
        bucket = bisect_left(_BOUNDS_NS, duration_ns)
        if FREE_THREADED:
            with self._mutex:
                cells[bucket] = counts[bucket] = counts[bucket] + 1
                cells[SUM_NS_AT] = counts[SUM_NS_AT] = counts[SUM_NS_AT] + duration_ns
            return
        # Where there is a GIL, other threads and signals' handlers come at calls and jumps, so never within these.
        cells[bucket] = counts[bucket] = counts[bucket] + 1
        cells[SUM_NS_AT] = counts[SUM_NS_AT] = counts[SUM_NS_AT] + duration_ns

    def _begun(self, route: str, method: str | None, status: int) -> Slot:
        """The slot of a series that is new; when there are too many, that of all others together."""
        named = method if method in _METHODS else None  # a client may name any number of others
        series = (route, named or OTHER, _CLASSES.get(status // 100, OTHER))
        with self._mutex:
            if series not in self._series and len(self._series) >= NAMED_SERIES:
                named, series = None, (OTHER, *series[1:])
            if series not in self._series:
                self._series[series] = [0] * SLOT_CELLS, self._take(series)
            slot = self._series[series]
            if named:
                self._found.setdefault(route, {}).setdefault(named, {})[status] = slot
            return slot

    def _take(self, series: Series) -> memoryview:
        number = next(self._slots)
        if number >= SLOTS:
            return memoryview(mmap.mmap(-1, NAME_AT)).cast("q")
        start = SLOTS_OFFSET + number * SLOT_BYTES
        route, method, status_class = series
        name = fitted(f"{method} {status_class} {route}", NAME_BYTES)
        self._bytes[start + NAME_AT : start + NAME_AT + len(name)] = name
        self._header[USED_CELL] = number + 1  # last: readers look at slots in use only
        return self._bytes[start : start + NAME_AT].cast("q")

    def release_after_fork(self) -> None:
        """Leave the file to the parent, in a forked child."""
        self._file.release_after_fork()
