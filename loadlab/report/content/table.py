"""The shape of a table of a report, as text: each format only lays it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "judgement", "outcome"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    title: str
    kind: Kind = "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of text under columns; the first column heads its row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def text_columns(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title=title) for title in titles)


def number_columns(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title=title, kind="number") for title in titles)
