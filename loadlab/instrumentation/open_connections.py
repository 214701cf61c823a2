"""Reads whose each open connection of a project is, from the ledgers of all its processes that live."""

from __future__ import annotations

import hashlib
import os
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadlab.instrumentation import layout
from loadlab.instrumentation.archive import DamagedError, live_files
from loadlab.instrumentation.ledger_content import LedgerContent
from loadlab.instrumentation.ledger_file import LEDGERS
from loadlab.instrumentation.uncounted import marked
from loadlab.listing.joining import DatabaseReading, joined
from loadlab.listing.ordering import worst_first
from loadlab.listing.sessions import harmless
from loadlab.model.holders import Holder
from loadlab.model.open_connections import EndedConnection, Listing, OpenConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadlab.listing.sessions import DatabaseSessions
    from loadlab.model.open_connections import AliasSettings

NO_LEDGERS: Final = (
    "No process counts connections in {}. If the site is running, it runs as another user or with another folder: list"
    " them as that user, or name one folder for all in LOADLAB['LEDGER_DIR']."
)
NO_ROOM: Final = (
    "Processes that began without room for their ledgers: {}. What each opened until there was room is not listed:"
    " restart them."
)
BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def open_connections(directory: Path) -> list[OpenConnection]:
    """Each connection that is open now, in no order; any process may call it at any time.

    Raises:
        OSError: the directory cannot be read.
    """
    return _Reading(directory).open()


class _Reading:
    """What the ledgers of all processes that live say at one instant.

    Raises:
        OSError: the directory cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self.ended: list[EndedConnection] = []
        self.servers: dict[int, str] = {}  # the modes of those that serve, by process
        self._open: list[tuple[OpenConnection, int]] = []  # each with the time at which it was begun
        # Processes that have inherited a connection, and when each first used it, by its alias and backend.
        self._heirs: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        for path, file in live_files(directory, LEDGERS):
            # The next scrape sets aside what is none.
            with suppress(ValueError, IndexError, DamagedError):
                self._add(LedgerContent.of(file), int(path.name.partition("-")[0]))

    def _add(self, content: LedgerContent, process: int) -> None:
        if content.server:
            self.servers[process] = content.server
        now_ns = time.monotonic_ns()
        last: dict[int, memoryview] = {}  # that was closed, by the number of its alias
        for row in content.rows():
            state = row[layout.STATE]
            if state == layout.OPEN:
                self._open.append((_connection(row, content, process, now_ns), row[layout.STARTED_NS]))
            elif not content.has_holders:
                continue
            elif state == layout.INHERITED:
                key = content.aliases[row[layout.ALIAS]], row[layout.BACKEND]
                self._heirs[key].append((process, row[layout.STARTED_NS]))
            elif state >= layout.CLOSED and row[layout.BACKEND]:
                last[row[layout.ALIAS]] = max(row, last.get(row[layout.ALIAS], row), key=_closed_ns)
        self.ended += [
            EndedConnection(alias=content.aliases[alias], backend=row[layout.BACKEND]) for alias, row in last.items()
        ]

    def open(self) -> list[OpenConnection]:
        """Each connection that is open, in no order."""
        return [self._with_heirs(one, begun_ns) for one, begun_ns in self._open]

    def _with_heirs(self, one: OpenConnection, begun_ns: int) -> OpenConnection:
        """What was inherited before it was begun is an earlier one, whose number the database has given it anew."""
        heirs = self._heirs.get((one.alias, one.backend), ())
        sharing = tuple(process for process, used_ns in heirs if used_ns >= begun_ns)
        return replace(one, shared_with=sharing) if sharing else one


def _closed_ns(row: memoryview) -> int:
    return row[layout.CLOSED_NS]


def listing_of(directory: Path, aliases: Mapping[str, AliasSettings], asking: int | None = None) -> Listing:
    """All that is open now, by the ledgers in a folder alone.

    `aliases` is what settings say, {} if not known. `asking` is the pid of a process that only asks, and is no site.

    Raises:
        OSError: the directory cannot be read.
    """
    reading = _Reading(directory)
    connections = worst_first(reading.open())
    serving = [*(one.process for one in connections), *reading.servers]
    notes = _notes_on(directory, asking)
    return Listing(
        at=time.time(),
        connections=connections,
        aliases=aliases,
        server=next(filter(None, map(reading.servers.get, serving)), ""),
        notes=notes,
        place=_place_of(directory),
        ended=tuple(reading.ended),
        uncounted=bool(notes),
    )


def listed_with(read: Callable[[], Listing], ask: Callable[[], DatabaseSessions]) -> Listing:
    """The listing that `read` gives, joined with what a database says between two such readings.

    It raises what the two raise.
    """
    begun, before = time.monotonic(), read()
    found, asked = ask(), time.monotonic()
    after = read()
    reading = DatabaseReading(sessions=found, before=asked - begun, after=time.monotonic() - asked)
    return joined(before, after, [reading])


def _notes_on(directory: Path, asking: int | None) -> tuple[str, ...]:
    """What keeps connections out of the listing, in sentences; () if nothing does."""
    if hidden := sum(not os.access(path, os.R_OK) for path in directory.glob(f"*{LEDGERS.suffix}")):
        return (f"Ledgers that this user may not read: {hidden}. Their processes' connections are not listed.",)
    if uncounted := len(marked(directory) - {asking}):
        return (NO_ROOM.format(uncounted),)
    owners = {path.name.partition("-")[0] for path, _ in live_files(directory, LEDGERS)}
    return () if owners - {str(asking)} else (NO_LEDGERS.format(directory),)


def _place_of(directory: Path) -> str:
    """The same for all who read the ledgers of this folder, and of no other; "" where the system does not tell it."""
    with suppress(OSError):
        found, boot = directory.stat(), BOOT.read_text().strip()
        return hashlib.sha256(f"{boot} {found.st_dev} {found.st_ino}".encode()).hexdigest()[:16]
    return ""


def _connection(row: memoryview, content: LedgerContent, process: int, now_ns: int) -> OpenConnection:
    connect_ns, holder = row[layout.CONNECT_NS], content.holder(row)
    known = connect_ns != layout.UNKNOWN_NS
    return OpenConnection(
        alias=content.aliases[row[layout.ALIAS]],
        holder=holder,
        process=process,
        opened_seconds=_seconds(now_ns - row[layout.STARTED_NS] - connect_ns) if known else None,
        served=row[layout.SERVED],
        **({} if holder is Holder.UNKNOWN else _held(row, content, now_ns)),
    )


def _held(row: memoryview, content: LedgerContent, now_ns: int) -> dict[str, Any]:
    used_ns, place, using = row[layout.USED_NS], row[layout.PLACE], row[layout.USING]
    return {
        "thread": row[layout.THREAD],
        "thread_name": _thread_name(content.names[row[layout.THREAD_NAME]]),
        "opened_by": content.units[row[layout.OPENED_BY]],
        "used_by": content.units[row[layout.USED_BY]],
        "backend": row[layout.BACKEND],
        "used_seconds": _seconds(now_ns - used_ns) if used_ns else None,
        "kept": row[layout.LIFE] == layout.KEPT,
        "asgi": bool(place & layout.ASGI),
        "executor": bool(place & layout.EXECUTOR),
        "apart": bool(place & layout.APART),
        "answered": bool(using & layout.ANSWERED),
        "unended": bool(using & layout.UNENDED),
        "lent": row[layout.POOL] == layout.IN_USE,
    }


@lru_cache
def _thread_name(said: str) -> str:
    """A program may give a thread any name, also one with a secret."""
    return harmless(said)


def _seconds(duration_ns: int) -> float:
    return max(0, duration_ns) / layout.NS_PER_SECOND
