"""Writes the files that a command makes where the user wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.errors import EnvironmentFaultError

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str, otherwise: str) -> None:
    """Write a file, and the folders that it lacks.

    Raises:
        EnvironmentFaultError: it cannot be written; the message ends with what to do `otherwise`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFaultError(f"{path} cannot be written: {error.strerror}. {otherwise}") from error
