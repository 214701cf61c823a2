"""Reads whose each open connection of a project is, from the ledgers of all its processes that live."""

from __future__ import annotations

import hashlib
import os
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from loadlab.instrumentation import layout
from loadlab.instrumentation.archive import DamagedError, live_files
from loadlab.instrumentation.ledger_content import LedgerContent
from loadlab.instrumentation.ledger_file import LEDGERS
from loadlab.model.holders import Holder
from loadlab.model.open_connections import OpenConnection, Unit

BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def open_connections(directory: Path) -> list[OpenConnection]:
    """Each connection that is open now, in no order; safe at any time, from any process.

    Raises:
        OSError: the directory cannot be read.
    """
    found: list[OpenConnection] = []
    heirs: dict[int, list[int]] = defaultdict(list)  # processes that have inherited a connection, by its backend
    for path, file in live_files(directory, LEDGERS):
        try:
            process, content = int(path.name.partition("-")[0]), LedgerContent.of(file)
        except (ValueError, DamagedError):
            continue  # the next scrape sets it aside
        now_ns = time.monotonic_ns()
        for row in content.rows():
            if row[layout.STATE] == layout.OPEN:
                found.append(_connection(row, content, process, now_ns))
            elif row[layout.STATE] == layout.INHERITED and content.has_holders:
                heirs[row[layout.BACKEND]].append(process)
    return [replace(one, shared_with=tuple(heirs[one.backend])) if one.backend in heirs else one for one in found]


def notes_on(directory: Path) -> tuple[str, ...]:
    """What keeps connections out of the listing, in sentences."""
    hidden = sum(not os.access(path, os.R_OK) for path in directory.glob(f"*{LEDGERS.suffix}"))
    if not hidden:
        return ()
    return (f"Ledgers that this user may not read: {hidden}. Their processes' connections are not listed.",)


def place_of(directory: Path) -> str:
    """The same for all who read the ledgers of this folder, and of no other; "" where the system does not tell it."""
    with suppress(OSError):
        found, boot = directory.stat(), BOOT.read_text().strip()
        return hashlib.sha256(f"{boot} {found.st_dev} {found.st_ino}".encode()).hexdigest()[:16]
    return ""


def _connection(row: memoryview, content: LedgerContent, process: int, now_ns: int) -> OpenConnection:
    connect_ns = row[layout.CONNECT_NS]
    known = connect_ns != layout.UNKNOWN_NS
    one = OpenConnection(
        alias=content.aliases[row[layout.ALIAS]],
        holder=content.holder(row),
        process=process,
        opened_seconds=_seconds(now_ns - row[layout.STARTED_NS] - connect_ns) if known else None,
        served=row[layout.SERVED],
    )
    if one.holder is Holder.UNKNOWN:
        return one
    used_ns = row[layout.USED_NS]
    return replace(
        one,
        thread=row[layout.THREAD],
        thread_name=content.names[row[layout.THREAD_NAME]],
        opened_by=_unit(content.names[row[layout.OPENED_BY]]),
        used_by=_unit(content.names[row[layout.USED_BY]]),
        backend=row[layout.BACKEND],
        used_seconds=_seconds(now_ns - used_ns) if used_ns else None,
        kept=row[layout.LIFE] == layout.KEPT,
        asgi=bool(row[layout.PLACE] & layout.ASGI),
        executor=bool(row[layout.PLACE] & layout.EXECUTOR),
        apart=bool(row[layout.PLACE] & layout.APART),
        answered=bool(row[layout.USING] & layout.ANSWERED),
        unended=bool(row[layout.USING] & layout.UNENDED),
        lent=row[layout.POOL] == layout.IN_USE,
    )


def _unit(label: str) -> Unit | None:
    kind, _, name = label.partition(":")
    return Unit(kind=kind, name=name) if kind else None


def _seconds(duration_ns: int) -> float:
    return max(0, duration_ns) / layout.NS_PER_SECOND
