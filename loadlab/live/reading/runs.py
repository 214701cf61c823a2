"""The runs in one folder: found by name, and never outside of it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.store.layout import SCHEDULE

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Runs:
    """`folder` holds run folders; `awaited` names one that will be there soon."""

    folder: Path
    awaited: str = ""

    def names(self) -> list[str]:
        """Of all runs, the one whose schedule is the youngest first."""
        found = []
        with suppress(OSError):
            for path in self.folder.iterdir():
                with suppress(OSError):
                    if _is_run(path):
                        found.append(((path / SCHEDULE).lstat().st_mtime, path.name))
        return [name for _, name in sorted(found, reverse=True)]

    def find(self, name: str) -> Path | None:
        """The folder of a run; None if none has this name. A link does not count as a run."""
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            return None
        path = self.folder / name
        return path if _is_run(path) else None

    def is_known(self, name: str) -> bool:
        """Whether a page may be asked for: the run is there, or about to be."""
        return (bool(name) and name == self.awaited) or self.find(name) is not None


def _is_run(path: Path) -> bool:
    """Whether it looks like one; its schedule may be damaged, or no file at all, and then it is shown as unreadable."""
    with suppress(OSError, ValueError):
        path.name.encode()  # a name that is not text has no address
        schedule = path / SCHEDULE
        there = os.path.lexists(schedule) and not schedule.is_symlink()
        return there and not path.is_symlink() and path.is_dir()
    return False


def inside(run: Path, name: str) -> Path | None:
    """A file of a run that is really there, and not a link to another place."""
    path = run / name
    with suppress(OSError):
        if path.is_file() and path.resolve() == run.resolve() / name:
            return path
    return None
