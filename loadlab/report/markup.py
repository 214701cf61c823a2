"""Text made safe for where it is shown: Markdown, or a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.text import Text

from loadlab.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.report.content.table import Table

_SPECIAL = re.compile(r"[\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_BLOCK_START = re.compile(r"^(\d*)([#+\-=.)])(?=\s|$|[#+\-=])")


def plain(text: object, style: str = "") -> Text:
    """Text that a terminal shows as it is: neither markup nor control characters act."""
    return Text(printable(str(text)), style=style)


def escape(text: str) -> str:
    r"""Text that Markdown shows as it is, on one line; an underscore inside a word needs no escape.

    >>> escape("max_age=60 | <b>")
    'max_age=60 \\| &lt;b&gt;'
    >>> escape("1. not a list"), escape("# not a heading"), escape("1.5")
    ('1\\. not a list', '\\# not a heading', '1.5')
    """
    flat = " ".join(text.split())
    entities = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _BLOCK_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\g<0>", entities))


def grid(head: Sequence[str], rule: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, of cells that are Markdown already."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def fenced(text: str, language: str) -> str:
    """Code in Markdown, as it is."""
    return f"```{language}\n{text.rstrip()}\n```"


def table(content: Table) -> str:
    """A flat table in Markdown, of text that is none yet."""
    head = [escape(column.title) for column in content.columns]
    rule = ["---:" if column.kind == "number" else "---" for column in content.columns]
    return grid(head, rule, [[escape(text) for text in row] for row in content.rows])


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {escape(item)}" for item in items)
