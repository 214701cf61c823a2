"""Adds up what many processes have written down, each in a file of its own."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_LOCK: Final = "lock"


class DamagedError(Exception):
    """A file that is not what its name says, or only a part of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of file: its name ends in `suffix`, and it holds `cells` numbers by each of some keys.

    `read` gets the open file, and whether the process that wrote it has ended; it raises DamagedError. The sums of
    all ended processes are kept in a file named `archive`.
    """

    suffix: str
    version: int
    cells: int
    read: Callable[[int, bool], dict[str, list[int]]]
    archive: str


@dataclass(kw_only=True, slots=True)
class Sums:
    """Cells added up by key, over `processes` that live and all that have ended; `damaged` files were set aside."""

    cells: dict[str, list[int]] = field(default_factory=dict)
    processes: int = 0
    damaged: int = 0

    def add(self, cells: Mapping[str, list[int]]) -> None:
        for key, values in cells.items():
            known = self.cells.get(key)
            self.cells[key] = values if known is None else [a + b for a, b in zip(known, values, strict=True)]


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
            sums, archived = self._archived()
            alive: list[dict[str, list[int]]] = []
            ended: list[Path] = []
            for path in self._files(archived):
                try:
                    lives, cells = self._read(path)
                except DamagedError:
                    path.rename(path.with_suffix(".damaged"))
                    sums.damaged += 1
                    ended.append(path)
                    continue
                if lives:
                    alive.append(cells)
                else:
                    sums.add(cells)
                    ended.append(path)
            if ended:
                self._store(sums, ended)
        for cells in alive:
            sums.add(cells)
        sums.processes = len(alive)
        return sums

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _archived(self) -> tuple[Sums, frozenset[str]]:
        """The archive's sums, and the names of files that it holds already although they may still be there."""
        path = self._directory / self._kind.archive
        try:
            stored = json.loads(path.read_bytes())
            cells = {str(key): [int(cell) for cell in cells] for key, cells in stored["cells"].items()}
            if stored["version"] != self._kind.version or {len(c) for c in cells.values()} - {self._kind.cells}:
                raise ValueError("another layout")  # noqa: TRY301
            return Sums(cells=cells, damaged=int(stored["damaged"])), frozenset(stored["archived"])
        except FileNotFoundError:
            return Sums(), frozenset()
        except (ValueError, TypeError, KeyError, AttributeError):
            path.rename(path.with_suffix(".damaged"))
            return Sums(damaged=1), frozenset()

    def _files(self, archived: frozenset[str]) -> Iterator[Path]:
        with os.scandir(self._directory) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(self._kind.suffix)]
        return (self._directory / name for name in names if name not in archived)

    def _read(self, path: Path) -> tuple[bool, dict[str, list[int]]]:
        """Whether the owner of a file lives, and what the file holds."""
        with path.open("rb") as file:
            lives = not _try_lock(file.fileno())
            return lives, self._kind.read(file.fileno(), not lives)

    def _store(self, sums: Sums, ended: list[Path]) -> None:
        """Replace the archive first and remove the files after; a death in between counts nothing twice."""
        stored = {
            "version": self._kind.version,
            "damaged": sums.damaged,
            "archived": [path.name for path in ended],
            "cells": sums.cells,
        }
        path = self._directory / self._kind.archive
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(stored))
        draft.replace(path)
        for file in ended:
            file.unlink(missing_ok=True)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
