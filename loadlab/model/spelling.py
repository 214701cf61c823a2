"""Guesses which known word a misspelt one was meant to be."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ALIKE: Final = 0.6  # of 1; below that a suggestion is more often wrong than right


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the known word most like `word`; empty where none is like it.

    >>> did_you_mean("gevnt", ["asgi", "gevent", "sync"]), did_you_mean("nonesuch", ["asgi"])
    ('did you mean gevent?', '')
    """
    closest = difflib.get_close_matches(word, list(known), n=1, cutoff=ALIKE)
    return f"did you mean {closest[0]}?" if closest else ""
