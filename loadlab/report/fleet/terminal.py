"""A fleet's answer for a terminal: the verdict, the figures side by side, what follows, and the caveats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from loadlab.report.console import bullets, flat, printed
from loadlab.report.content.table import Table
from loadlab.report.fleet import tables, words
from loadlab.report.markup import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from loadlab.model.fleet_outcome import FleetAnswer

MOST_COLUMNS: Final = 4  # strategies that are readable side by side


def as_text(answer: FleetAnswer, *, width: int = 100, colour: bool = False) -> str:
    """Text of `width` columns, with ANSI colours if `colour`."""
    return printed(_parts(answer), width=width, colour=colour)


def _parts(answer: FleetAnswer) -> Iterator[RenderableType]:
    yield plain(f"{words.question(answer)}. {words.limit(answer)}", "dim")
    yield Text()
    yield plain(words.verdict(answer), "bold")
    if answer.verdict.recommend is not None:
        for snippet in answer.verdict.recommend.snippets:
            yield Text()
            yield plain(f"{snippet.file}:", "dim")
            yield plain(snippet.text.rstrip())
    for part in _split(tables.figures(answer)):
        yield flat(part)
    yield from (plain(sentence) for sentence in words.follows(answer))
    yield plain(f"{words.bands(answer)} {words.source(answer)}", "dim")
    if words.caveats(answer):
        yield Text()
        yield plain("Caveats", "bold")
        yield bullets(words.caveats(answer))


def _split(table: Table) -> Iterator[Table]:
    """Of many strategies, four at a time; each part begins with the names of the figures."""
    for first in range(1, len(table.columns), MOST_COLUMNS):
        part = slice(first, first + MOST_COLUMNS)
        yield Table(
            caption=table.caption,
            columns=(table.columns[0], *table.columns[part]),
            rows=tuple((row[0], *row[part]) for row in table.rows),
        )
