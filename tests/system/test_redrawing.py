"""A text that changes: in its place on a real terminal, and one after the other elsewhere."""

from __future__ import annotations

import fcntl
import io
import math
import os
import struct
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

from every import every

from loadlab.system.redrawing import ANEW, LONGEST_SECONDS, is_pause, redraw

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def twice(text: str) -> tuple[Callable[[int | None], str], list[int | None]]:
    """Makes the text two times, and keeps the widths that it is asked for; then Ctrl-C comes."""
    widths: list[int | None] = []

    def make(width: int | None) -> str:
        widths.append(width)
        if len(widths) > 2:
            raise KeyboardInterrupt
        return text

    return make, widths


def test_a_terminal_is_cleared_and_keeps_what_it_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 4, 60, 0, 0))
    make, widths = twice("a\nb\nc\nd\ne")
    with os.fdopen(theirs, "w") as terminal, suppress(KeyboardInterrupt):
        redraw(terminal, make, 0.001)
    shown = os.read(ours, 1000).decode().replace("\r\n", "\n")
    os.close(ours)
    assert shown == 2 * f"{ANEW}a\nb\n… 3 more lines\n"
    assert widths == [60, 60, 60]


def test_a_terminal_without_a_size_gets_all_of_one_text_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()  # which says 0 × 0
    make, widths = twice("a\nb\nc")
    with os.fdopen(theirs, "w") as terminal, suppress(KeyboardInterrupt):
        redraw(terminal, make, 0.001)
    shown = os.read(ours, 1000).decode().replace("\r\n", "\n")
    os.close(ours)
    assert (shown, widths) == ("a\nb\nc\na\nb\nc\n", [None, None, None])


@every("seconds", [0.0, -1.0, math.nan, math.inf, 1e300])
def test_what_cannot_be_waited_for_is_no_pause(seconds: float) -> None:
    assert not is_pause(seconds)
    assert is_pause(LONGEST_SECONDS)


def test_a_pipe_gets_one_text_after_the_other() -> None:
    make, widths = twice("a\nb\nc")
    output = io.StringIO()
    with suppress(KeyboardInterrupt):
        redraw(output, make, 0.001)
    assert (output.getvalue(), widths) == ("a\nb\nc\na\nb\nc\n", [None, None, None])
