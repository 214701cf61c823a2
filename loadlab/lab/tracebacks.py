"""Finds in what a program of the user's has said the lines that the user can do something about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

OWN_FRAMES: Final = 2
ENDING_LINES: Final = 8
HEADER: Final = "Traceback (most recent call last):"
_FRAME: Final = re.compile(r'  File "(?P<file>[^"]+)", line \d+')
# Python's own library, and what is installed beside it.
_INSTALLED: Final = re.compile(r"^<|/lib/python3(\.\d+)?/")


def own_words(said: str, ours: Sequence[str] = ()) -> str:
    """Of the last traceback in `said`: the last frames in the user's own files, and the error itself.

    Files below the folders `ours` are the lab's, which the user cannot mend. Without a traceback, the last lines.
    """
    lines = said.strip().splitlines()
    headers = [number for number, line in enumerate(lines) if line.strip() == HEADER]
    frames, ending = _split(lines[headers[-1] + 1 :] if headers else lines)
    own = [frame for frame in frames if not _foreign(frame[0], ours)]
    shown = [line for frame in own[-OWN_FRAMES:] for line in frame]
    return "\n".join([*shown, *ending[-ENDING_LINES:]])


def _split(lines: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """The frames of a traceback, and what comes after them."""
    frames: list[list[str]] = []
    for number, line in enumerate(lines):
        if _FRAME.match(line):
            frames.append([line])
        elif frames and line.startswith("    "):
            frames[-1].append(line)
        elif frames:
            return frames, list(lines[number:])
    return frames, [] if frames else list(lines)


def _foreign(frame: str, ours: Sequence[str]) -> bool:
    match = _FRAME.match(frame)
    file = match["file"] if match else ""
    return bool(_INSTALLED.search(file)) or any(file.startswith(folder) for folder in ours)
