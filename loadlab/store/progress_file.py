"""Reads the events of a run: on from where a reader had come to, or only how it began and ended."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from loadlab.store.layout import PROGRESS
from loadlab.store.progress import of_line
from loadlab.store.run_progress import RunProgress, progress_of
from loadlab.system.files import DamagedFileError, open_regular, read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.store.progress import Event

PART_BYTES: Final = 1 << 20
LINE_BYTES: Final = 1 << 16  # the reason why a run has ended may be a long one
EDGES: Final = ("run_began", "run_ended")


def read_events(run: Path, offset: int = 0, part: int | None = None) -> tuple[list[Event], int]:
    """The events from `offset` in bytes on, and the offset to go on from; half a line is left for later.

    With `part`, those in no more bytes than that, unless a single line is longer.

    Raises:
        DamagedFileError: it is not a file, or a beginning of the run in it is damaged.
    """
    try:
        whole, newline, _ = read_regular(run / PROGRESS, offset=offset, part=part).rpartition(b"\n")
        if part is not None and not newline:
            whole, newline, _ = read_regular(run / PROGRESS, offset=offset).rpartition(b"\n")
        events = [event for line in whole.splitlines() if (event := of_line(line))]
    except FileNotFoundError:
        return [], offset
    except (DamagedFileError, ValueError) as error:
        raise DamagedFileError(f"{PROGRESS}: {error}") from error
    return events, offset + len(whole) + len(newline)


def read_edges(run: Path) -> RunProgress:
    """The run's latest beginning, and its end if that came later, found without reading what is between.

    Raises:
        DamagedFileError: it is not a file, or the beginning is damaged.
    """
    try:
        file = open_regular(run / PROGRESS)
    except FileNotFoundError:
        return RunProgress()
    except DamagedFileError as error:
        raise DamagedFileError(f"{PROGRESS}: {error}") from error
    try:
        found = [last for kind in EDGES if (last := _last(file, kind))]
    except ValueError as error:
        raise DamagedFileError(f"{PROGRESS}: {error}") from error
    finally:
        os.close(file)
    return progress_of(event for _, event in sorted(found, key=lambda one: one[0]))


def _last(file: int, kind: str) -> tuple[int, Event] | None:
    """The last event of a kind, and where it is; read from the end.

    Not by a map: the file may be cut off meanwhile.
    """
    mark = f'"event":"{kind}"'.encode()
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - PART_BYTES)
        found = os.pread(file, end - start + len(mark) - 1, start).rfind(mark)
        if found >= 0:
            before = max(0, start + found - LINE_BYTES)
            line = os.pread(file, start + found - before, before).rpartition(b"\n")[2]
            event = of_line(line + mark + b"}")
            return (start + found, event) if event else None
        end = start
    return None
