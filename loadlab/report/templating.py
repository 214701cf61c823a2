"""How every page of HTML is made: all values are escaped, numbers have their one spelling, and none may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from loadlab.model.text import printable
from loadlab.report import numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CELL: Final = "\0"  # between two cells; no text that is shown has it


def dense_rows(rows: Iterable[Sequence[str]]) -> Markup:
    """The rows of a long table, small: columns have no classes, and HTML itself ends each cell and row.

    >>> print(dense_rows([("1", "a & b")]))
    <tr><th scope=row>1<td>a &amp; b
    """
    return Markup("\n").join(_dense_row(row) for row in rows)


def _dense_row(row: Sequence[str]) -> Markup:
    text = _CELL.join(row)
    if not text.replace(_CELL, "").isprintable():
        text = _CELL.join(map(printable, row))
    return Markup("<tr><th scope=row>" + str(escape(text)).replace(_CELL, "<td>"))  # noqa: S704  escaped


def templates(package: str) -> Environment:
    """The templates of a package, from its folder `templates`."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=numbers.shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
