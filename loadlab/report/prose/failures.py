"""Says what a kind of failure looked like, and what the target knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.report import numbers

if TYPE_CHECKING:
    from loadlab.model.findings import FailureRow


def example(row: FailureRow) -> str:
    kinds = ", ".join(f"{numbers.count(count)} × {kind}" for kind, count in row.unopened.items())
    return f"{row.example}; connections that could not be opened: {kinds}" if kinds else row.example
