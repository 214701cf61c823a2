"""Writes the files that a command makes where the user wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.errors import EnvironmentFaultError
from loadlab.system.full_disk import why_unwritten

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str, otherwise: str, *, append: bool = False) -> None:
    """Write a file, and the folders that it lacks; with `append`, after what it has already.

    Raises:
        EnvironmentFaultError: it cannot be written; the message ends with what to do `otherwise`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)
    except (FileExistsError, NotADirectoryError) as error:
        raise EnvironmentFaultError(f"{path} cannot be written: {path.parent} is not a folder. {otherwise}") from error
    except OSError as error:
        raise EnvironmentFaultError(f"{path} cannot be written: {why_unwritten(error)}. {otherwise}") from error
