"""Remembers the runs that pages show, so that each is read on and not anew."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Final

from loadlab.live.reading.run_view import RunView
from loadlab.live.reading.unreadable import told
from loadlab.store.layout import SCHEDULE
from loadlab.store.reader import RunReader

if TYPE_CHECKING:
    from pathlib import Path

MOST: Final = 32


class RunViews:
    """Those of all run folders; may be asked from any thread."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, RunView]] = {}
        self._lock = threading.Lock()

    def of(self, path: Path, part: int | None = None) -> RunView:
        """The run at `path` as it is now, or with no more than a `part` of what is new, in bytes.

        Raises:
            UnreadableRunError: the run has gone, or cannot be read.
        """
        with told():
            # Another run in a folder of the same name has another schedule, as has one that cases have left.
            written = (path / SCHEDULE).lstat().st_mtime_ns
            with self._lock:
                known, run = self._known.pop(path, (0, None))
                if run is None or known != written:
                    run = RunView(path, RunReader(path).schedule())
                self._known[path] = (written, run)
                while len(self._known) > MOST:
                    del self._known[next(iter(self._known))]
            run.read_on(part)
            return run


@cache
def run_views() -> RunViews:
    """Those of this process."""
    return RunViews()
