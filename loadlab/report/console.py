"""Reports in a terminal: text of a given width, and the tables and lists that they share."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from loadlab.report import numbers
from loadlab.report.markup import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from loadlab.report.content.table import Table as FlatTable


def printed(parts: Iterable[RenderableType], *, width: int, colour: bool) -> str:
    """Text of `width` columns, with ANSI colours if `colour`; nothing of it depends on the environment."""
    output = StringIO()
    console = Console(
        file=output,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
        _environ={},
    )
    for part in parts:
        console.print(part)
    lines = (line.rstrip() for line in output.getvalue().splitlines())
    return numbers.writable("\n".join(lines) + "\n")


def flat(content: FlatTable) -> RenderableType:
    table = Table(box=SIMPLE, pad_edge=False)
    for column in content.columns:
        table.add_column(plain(column.title), overflow="fold")
    for row in content.rows:
        table.add_row(*map(plain, row))
    return table


def bullets(lines: Iterable[str]) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("•", plain(line))
    return grid
