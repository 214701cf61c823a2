"""Tells which processes have connections that are in no ledger: each leaves a file without content beside the ledgers.

For such a file even a full disk has room. It stays as long as its process lives: what has begun to count later may have
connections open that it has opened before.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation.archive import has_ended, live_files
from loadlab.instrumentation.ledger_file import LEDGERS
from loadlab.instrumentation.process_file import ProcessFile

if TYPE_CHECKING:
    from pathlib import Path

MARKS: Final = replace(LEDGERS, suffix=".uncounted")


def mark(directory: Path) -> ProcessFile | None:
    """Say so of this process; None where the folder takes no file at all."""
    with suppress(OSError):
        made = ProcessFile(directory, MARKS.suffix)
        made.publish()
        return made
    return None


def marked(directory: Path) -> frozenset[int]:
    """The ids of such processes that live; what those have left that have ended is removed.

    Raises:
        OSError: the directory cannot be read.
    """
    living = {path for path, _ in live_files(directory, MARKS)}
    for path in set(directory.glob(f"*{MARKS.suffix}")) - living:
        if has_ended(path):
            with suppress(OSError):
                path.unlink()
    return frozenset(int(path.name.partition("-")[0]) for path in living if path.name.partition("-")[0].isdecimal())
