"""Adds up what many processes have written down, each in a separate file."""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_LOCK: Final = "lock"
LARGEST_BYTES: Final = 1 << 28  # of a file; two million connections open at once have room in it
LARGEST_SUM: Final = 1 << 200  # of an archive; an exposition has it as a float
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
NO_FILES: Final = (errno.ELOOP, errno.ENXIO, errno.ENODEV)  # a link, a socket, a device


class DamagedError(Exception):
    """A file that is not what its name says, or only a part of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of file: its name ends in `suffix`, and it holds the same number of numbers by each of some keys.

    These are `cells`, `added` and `passing` ones. `read` gets the open file, and whether the process that wrote it has
    ended; it raises DamagedError. The sums of all ended processes are kept in a file named `archive`, in this
    `version`. There `added` cells are apart from the others: an earlier loadlab of the same version knows nothing of
    them, and neither writes nor reads them. The `passing` ones are zero once a process has ended, so that no archive
    has them.
    """

    suffix: str
    version: int
    cells: int
    added: int = 0
    passing: int = 0
    read: Callable[[int, bool], dict[str, list[int]]]
    archive: str


def add(sums: dict[str, list[int]], key: str, cells: list[int]) -> None:
    """Add cells to those that have the same key."""
    known = sums.get(key)
    sums[key] = cells if known is None else [a + b for a, b in zip(known, cells, strict=True)]


@dataclass(kw_only=True, slots=True)
class Sums:
    """Cells added up by key, over `processes` that live and all that have ended; `damaged` files were set aside.

    `ended` are those of processes that have ended, which are in `cells` too.
    """

    cells: dict[str, list[int]] = field(default_factory=dict)
    ended: dict[str, list[int]] = field(default_factory=dict)
    processes: int = 0
    damaged: int = 0

    def add(self, cells: Mapping[str, list[int]]) -> None:
        for key, values in cells.items():
            add(self.cells, key, values)


@dataclass(kw_only=True, slots=True)
class _Found:
    """What one reading finds: cells of processes that live, files of ended ones, and how many it may not read."""

    alive: list[dict[str, list[int]]] = field(default_factory=list)
    ended: list[Path] = field(default_factory=list)
    unreadable: int = 0


class Archive:
    """Reads the files of one kind in `directory`, and moves the sums of ended processes into one file.

    So a reading costs the same however many processes have come and gone.
    """

    def __init__(self, directory: Path, kind: Kind) -> None:
        self._directory = directory
        self._kind = kind

    def read(self) -> Sums:
        """Count everything once; safe at any time, from any process, several at once.

        Raises:
            OSError: the directory cannot be read or written.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._locked():
            sums, found = self._folded(self._files())
        sums.ended = dict(sums.cells)
        for cells in found.alive:
            sums.add(cells)
        sums.processes = len(found.alive)
        sums.damaged += found.unreadable
        return sums

    def fold(self, most: int) -> None:
        """Move the sums of ended processes into the archive, of at most `most`, so that the next reading finds few.

        Another process that reads or folds is not waited for: then nothing is done.

        Raises:
            OSError: as `read`.
        """
        with suppress(BlockingIOError), self._locked(wait=False):
            self._folded(self._files(), most)

    def _folded(self, files: list[Path], most: int | None = None) -> tuple[Sums, _Found]:
        """The archive's sums, to which what ended processes have written has been moved; with `most`, of so many.

        A death at any point counts nothing twice: the archive names the files that it holds until they are gone.
        """
        sums, archived = self._archived()
        before, found = sums.damaged, _Found()
        left = [path for path in files if path.name in archived]  # their reader died between archive and removal
        new = (path for path in files if path.name not in archived)
        for path in new if most is None else itertools.islice(filter(has_ended, new), most):
            self._add_file(path, sums, found)
        if (sums.damaged > before or found.ended) and not self._stored(sums, [*left, *found.ended]):
            return sums, found  # all files stay, and the archive with the names of those that it holds
        _remove([*left, *found.ended])
        return sums, found

    def _stored(self, sums: Sums, ended: list[Path]) -> bool:
        """Whether the disk has room for the archive: without, what is counted is as right, and dearer to read."""
        try:
            self._store(sums, ended)
        except OSError as error:
            if error.errno not in FULL:
                raise
            return False
        return True

    def _add_file(self, path: Path, sums: Sums, found: _Found) -> None:
        """Read one file; what an ended process has written goes into the sums."""
        try:
            lives, cells = self._read(path)
        except DamagedError:
            _set_aside(path)
            sums.damaged += 1
        except FileNotFoundError:
            return
        except PermissionError:
            found.unreadable += 1
        else:
            if lives:
                found.alive.append(cells)
                return
            sums.add(cells)
            found.ended.append(path)

    @contextmanager
    def _locked(self, *, wait: bool = True) -> Iterator[None]:
        """Raises:
        BlockingIOError: another process has the lock, and it is not to be waited for.
        """
        lock = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            # A process that another thread has forked meanwhile holds the lock too, and would not close it for life.
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)

    def _archived(self) -> tuple[Sums, frozenset[str]]:
        """The archive's sums, and the names of files that it holds already although they may still be there."""
        path = self._directory / self._kind.archive
        try:
            with _opened(path) as file:
                return self._sums_of(json.loads(os.read(file, os.fstat(file).st_size)))
        except FileNotFoundError:
            return Sums(), frozenset()
        except OSError:
            raise
        except Exception:  # noqa: BLE001  a foreign file may raise anything
            _set_aside(path)
            return Sums(damaged=1), frozenset()

    def _sums_of(self, stored: Any) -> tuple[Sums, frozenset[str]]:  # noqa: ANN401  whatever JSON holds
        known, none, passing = stored["cells"], [0] * self._kind.added, [0] * self._kind.passing
        added = stored.get("added", {}) if none else {}
        cells = {key: [*map(int, own), *map(int, added.get(key, none)), *passing] for key, own in known.items()}
        sums = Sums(cells=cells, damaged=int(stored["damaged"]))
        numbers = [sums.damaged, *itertools.chain.from_iterable(cells.values())]
        lengths = {(len(own), len(cells[key])) for key, own in known.items()}
        expected = (self._kind.cells, self._kind.cells + len(none) + len(passing))
        if stored["version"] != self._kind.version or lengths - {expected}:
            raise DamagedError("another layout")
        if not all(0 <= number <= LARGEST_SUM for number in numbers):
            raise DamagedError("impossible counts")
        "".join(cells).encode()  # an exposition is UTF-8
        return sums, frozenset(stored["archived"])

    def _files(self) -> list[Path]:
        with os.scandir(self._directory) as entries:
            return [self._directory / entry.name for entry in entries if entry.name.endswith(self._kind.suffix)]

    def _read(self, path: Path) -> tuple[bool, dict[str, list[int]]]:
        """Whether the owner of a file lives, and what the file holds."""
        try:
            with _opened(path) as file:
                lives = not _try_lock(file)
                return lives, self._kind.read(file, not lives)
        except (OSError, DamagedError):
            raise
        except Exception as error:
            raise DamagedError(str(error)) from error  # as above

    def _store(self, sums: Sums, ended: list[Path]) -> None:
        """Replace the archive, before the files are removed; a death in between counts nothing twice."""
        known, until = self._kind.cells, self._kind.cells + self._kind.added
        stored = {
            "version": self._kind.version,
            "damaged": sums.damaged,
            "archived": [path.name for path in ended],
            "cells": {key: cells[:known] for key, cells in sums.cells.items()},
        }
        if self._kind.added:
            stored["added"] = {key: cells[known:until] for key, cells in sums.cells.items()}
        path = self._directory / self._kind.archive
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(stored))
        draft.replace(path)


def live_files(directory: Path, kind: Kind) -> Iterator[tuple[Path, int]]:
    """The files of processes that live, each open as long as the caller looks at it.

    Raises:
        OSError: the directory cannot be read.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        next(directory.iterdir(), None)  # fails where it is not allowed, and glob() does not
    for path in sorted(directory.glob(f"*{kind.suffix}")):
        with suppress(FileNotFoundError, PermissionError, DamagedError), _opened(path) as file:
            if not _try_lock(file):
                yield path, file


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file of ours, open for reading. What else has its name is not waited for, followed or read.

    Raises:
        DamagedError: it is not a regular file, or far too long.
        OSError: it cannot be opened.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in NO_FILES:
            raise DamagedError(str(error)) from error
        raise
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_BYTES:
            raise DamagedError("no file of this kind")
        yield file
    finally:
        os.close(file)


def _set_aside(path: Path) -> None:
    """Rename it, so that it is not read again; what cannot be renamed is read again, and is as damaged then."""
    with suppress(OSError):
        aside = path.with_suffix(".damaged")
        numbers = itertools.count(2)
        while os.path.lexists(aside):
            aside = path.with_suffix(f".{next(numbers)}.damaged")
        path.rename(aside)


def has_ended(path: Path) -> bool:
    """Whether the owner of a file has ended; what cannot be opened is left to a reading."""
    with suppress(OSError, DamagedError), _opened(path) as file:
        return _try_lock(file)
    return False


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
