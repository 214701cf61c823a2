"""Shows a text that changes: in its place on a terminal, one after the other elsewhere."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SECONDS: Final = 86_400.0  # between two times
ANEW: Final = "\x1b[H\x1b[2J"  # to the first line, and clear all


class Output(Protocol):
    """Standard output, or what Django's commands have for it."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> None: ...

    def isatty(self) -> bool: ...

    def fileno(self) -> int: ...


def redraw(stream: Output, make: Callable[[int | None], str], every_seconds: float) -> None:
    """Show what `make` gives for so many columns (None: as many as there are), until an exception ends it."""
    while True:
        size = _size(stream)
        text = make(None if size is None else size.columns)
        stream.write(f"{text}\n" if size is None else ANEW + fitting(text, size.lines))
        stream.flush()
        time.sleep(every_seconds)


def is_pause(seconds: float) -> bool:
    """Whether one can wait for so long between two times."""
    return 0 < seconds <= LONGEST_SECONDS


def fitting(text: str, lines: int) -> str:
    r"""As much of the text as a terminal with so many lines shows, with the cursor behind it.

    >>> fitting("a\nb\nc\nd", 3)
    'a\n… 3 more lines\n'
    """
    found = text.split("\n")
    room = max(1, lines - 1)
    if len(found) <= room:
        return f"{text}\n"
    kept = found[: room - 1]
    return "\n".join([*kept, f"… {len(found) - len(kept)} more lines", ""])


def _size(stream: Output) -> os.terminal_size | None:
    """That of the terminal; None of what is none, cannot move its cursor, or does not know its size."""
    if not stream.isatty() or os.environ.get("TERM", "").lower() in {"dumb", "unknown"}:
        return None
    try:
        size = os.get_terminal_size(stream.fileno())
    except OSError:
        return None
    return size if all(size) else None  # a serial console, or `script` and `docker exec` without a terminal: 0 × 0
