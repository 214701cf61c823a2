"""The request times of all processes of a directory together, of those that live and of those that have ended."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation import request_times
from loadlab.instrumentation.archive import Archive, DamagedError, Kind, add
from loadlab.instrumentation.layout import NS_PER_SECOND

if TYPE_CHECKING:
    from pathlib import Path

_SPACES: Final = 2  # in a name, at least


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The requests of one route, method and class of status: how many by bucket (last one: +Inf), how long together."""

    route: str
    method: str
    status_class: str
    buckets: tuple[int, ...]
    seconds: float

    @property
    def requests(self) -> int:
        return sum(self.buckets)


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """All request times at one instant; `damaged` files had to be set aside."""

    answered: tuple[Answered, ...]
    damaged: int

    @property
    def requests(self) -> int:
        return sum(one.requests for one in self.answered)


class RequestTotals:
    """Reads the files of request times in `directory`."""

    def __init__(self, directory: Path, archive: type[Archive] = Archive) -> None:
        self._files = archive(directory, REQUEST_TIMES)

    def read(self) -> Times:
        """Count everything once; safe at any time, from any process, several at once.

        Raises:
            OSError: the directory cannot be read or written.
        """
        sums = self._files.read()
        answered = tuple(_answered(name, cells) for name, cells in sorted(sums.cells.items()))
        return Times(answered=answered, damaged=sums.damaged)


def _answered(name: str, cells: list[int]) -> Answered:
    method, _, rest = name.partition(" ")
    status_class, _, route = rest.partition(" ")
    return Answered(
        route=route,
        method=method,
        status_class=status_class,
        buckets=tuple(cells[: request_times.SUM_NS_AT]),
        seconds=cells[request_times.SUM_NS_AT] / NS_PER_SECOND,
    )


def _read(file: int, _ended: bool) -> dict[str, list[int]]:  # noqa: FBT001  as the kind of file calls it
    """What a file holds by name: what was counted stays counted, whether or not its process has ended."""
    if os.fstat(file).st_size != request_times.FILE_BYTES:
        raise DamagedError("not the length of a file of request times")
    cells = memoryview(os.pread(file, request_times.SLOTS_OFFSET, 0)).cast("q")
    if (
        cells[request_times.MAGIC_CELL] != request_times.MAGIC
        or cells[request_times.VERSION_CELL] != request_times.VERSION
    ):
        raise DamagedError("not request times of this version")
    used = cells[request_times.USED_CELL]
    if not 0 <= used <= request_times.SLOTS:
        raise DamagedError("more slots than a file has")
    slots = min(used + request_times.GAP, request_times.SLOTS)
    return _slots(memoryview(os.pread(file, slots * request_times.SLOT_BYTES, request_times.SLOTS_OFFSET)))


def _slots(content: memoryview) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for start in range(0, len(content), request_times.SLOT_BYTES):
        slot = content[start : start + request_times.SLOT_BYTES]
        name = bytes(slot[request_times.NAME_AT :]).split(b"\0", 1)[0].decode(errors="ignore")
        cells = slot[: request_times.NAME_AT].cast("q").tolist()
        if not name and not any(cells):
            continue  # not in use yet
        if name.count(" ") < _SPACES or min(cells) < 0:
            raise DamagedError("an invalid slot")
        add(found, name, cells)
    return found


REQUEST_TIMES: Final = Kind(
    suffix=request_times.SUFFIX,
    version=request_times.VERSION,
    cells=request_times.SLOT_CELLS,
    read=_read,
    archive="timesheets.json",
)
