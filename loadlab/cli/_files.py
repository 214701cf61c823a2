"""Writes the files that a command makes where the user wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.errors import EnvironmentFaultError
from loadlab.system.files import write_whole
from loadlab.system.full_disk import FULL, why_unwritten

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str, otherwise: str, *, append: bool = False) -> None:
    """Write a file whole or not at all, and the folders that it lacks; with `append`, after what it has already.

    Raises:
        EnvironmentFaultError: it cannot be written; the message ends with what to do `otherwise`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if append or not _replaceable(path):
            _write_into(path, text, append=append)
        else:
            _replace(path, text)
    except (FileExistsError, NotADirectoryError) as error:
        raise EnvironmentFaultError(f"{path} cannot be written: {path.parent} is not a folder. {otherwise}") from error
    except OSError as error:
        raise EnvironmentFaultError(f"{path} cannot be written: {why_unwritten(error)}. {otherwise}") from error


def make_folder(path: Path, otherwise: str) -> None:
    """A folder, with those that it is in.

    Raises:
        EnvironmentFaultError: it cannot be made; the message ends with what to do `otherwise`.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFaultError(f"{path} cannot be made: {why_unwritten(error)}. {otherwise}") from error


def _replaceable(path: Path) -> bool:
    """Whether a new file may take its place: not that of a link, or of a device such as /dev/stdout."""
    return not path.is_symlink() and (path.is_file() or not path.exists())


def _replace(path: Path, text: str) -> None:
    try:
        write_whole(path, text.encode())
    except OSError as error:
        if error.errno in FULL or not path.is_file():
            raise
        _write_into(path, text)  # a file that is mounted by itself, or whose folder takes no other


def _write_into(path: Path, text: str, *, append: bool = False) -> None:
    with path.open("a" if append else "w", encoding="utf-8") as file:
        file.write(text)
