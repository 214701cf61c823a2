"""What may be written on the screen: how wide, whether in colours, and whether progress is shown."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from rich.console import Console

NARROWEST: Final = 60
WIDEST: Final = 140
WITHOUT_TERMINAL: Final = (100, 24)


@dataclass(frozen=True, kw_only=True, slots=True)
class Screen:
    """How the user wants output; `color` is auto, always or never."""

    color: str = "auto"
    quiet: bool = False

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Screen:
        return cls(color=arguments.color, quiet=getattr(arguments, "quiet", False))

    def colours(self, stream: TextIO) -> bool:
        """As said; else on a terminal that has them, unless NO_COLOR asks for none (no-color.org)."""
        if self.color != "auto":
            return self.color == "always"
        return stream.isatty() and not os.environ.get("NO_COLOR") and not _dumb()

    def moves(self, stream: TextIO) -> bool:
        """Whether a line may be drawn over."""
        return stream.isatty() and not self.quiet and not _dumb()

    def say(self, line: str) -> None:
        """A line about the work that begins, for people who wait."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    @contextmanager
    def status(self, line: str) -> Iterator[Callable[[str], None]]:
        """A line on standard error that moves; yields what replaces it. Without a terminal it is said once."""
        if not self.moves(sys.stderr):
            self.say(line)
            yield lambda line: None  # noqa: ARG005  a log would fill with it
            return
        with self.progress_console().status(line) as shown:
            yield shown.update

    def console(self, without_terminal: int) -> Console:
        """Standard output; at least `without_terminal` columns wide where it is no terminal."""
        columns = shutil.get_terminal_size((without_terminal, 24)).columns
        return self._console(
            sys.stdout, width=None if sys.stdout.isatty() else max(without_terminal, columns), terminal=None
        )

    def progress_console(self) -> Console:
        """Standard error, where progress and notes go."""
        return self._console(sys.stderr, width=None, terminal=self.moves(sys.stderr))

    def _console(self, stream: TextIO, *, width: int | None, terminal: bool | None) -> Console:
        from loadlab.cli._console import Console

        coloured = self.colours(stream)
        return Console(
            file=stream,
            width=width,
            force_terminal=coloured if terminal is None else terminal,
            # Rich would ask the environment too, which has been asked.
            color_system="standard" if coloured else None,
            no_color=not coloured,
            highlight=False,
        )


def width() -> int:
    """Columns of the terminal, or of COLUMNS; 100 where output is no terminal's."""
    return min(WIDEST, max(NARROWEST, shutil.get_terminal_size(WITHOUT_TERMINAL).columns))


def add_screen_arguments(parser: argparse.ArgumentParser, *, progress: bool) -> None:
    """`--color`, and `--quiet` where there is progress to show."""
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colour the output (default: auto)"
    )
    if progress:
        parser.add_argument("--quiet", action="store_true", help="show no progress, only notes and errors")


def _dumb() -> bool:
    return os.environ.get("TERM", "").lower() in {"dumb", "unknown"}
