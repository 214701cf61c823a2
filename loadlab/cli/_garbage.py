"""Spares a short command the search for garbage in cycles: thousands of trials make none, and slow each search."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def left_lying() -> Iterator[None]:
    """Inside, garbage in cycles stays, and afterwards, too; all other is freed at once, as ever."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.freeze()  # the first search would be of all that was made inside
            gc.enable()
