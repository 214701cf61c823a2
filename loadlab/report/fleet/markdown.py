"""A fleet's answer as fleet.md: GitHub-flavoured Markdown with every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.model.text import printable
from loadlab.report import numbers
from loadlab.report.fleet import tables, words
from loadlab.report.markup import bullets, escape, fenced, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet_outcome import FleetAnswer


def as_markdown(answer: FleetAnswer) -> str:
    """Every name is escaped: none can break a table or smuggle in HTML."""
    return numbers.writable(printable("\n\n".join(_blocks(answer)) + "\n"))


def _blocks(answer: FleetAnswer) -> Iterator[str]:
    yield f"# {words.title(answer)}"
    yield f"**{escape(words.verdict(answer))}**"
    yield escape(f"{words.question(answer)}. {words.limit(answer)}")
    if answer.verdict.recommend is not None:
        for snippet in answer.verdict.recommend.snippets:
            yield f"In `{snippet.file}`:"
            yield fenced(snippet.text, snippet.language)
    yield "## Figures"
    yield table(tables.figures(answer))
    yield escape(f"{words.bands(answer)} {words.source(answer)}")
    if words.follows(answer):
        yield "## What follows"
        yield bullets(words.follows(answer))
    if words.caveats(answer):
        yield "## Caveats"
        yield bullets(words.caveats(answer))
    yield "## What the model leaves out"
    yield bullets(words.LEFT_OUT)
