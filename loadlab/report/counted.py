"""Spells what was counted in a row of behaviour, of a server's or of a worker's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.behaviour_changes import ranged, spelt

if TYPE_CHECKING:
    from loadlab.model.behaviour import Row

RANGED: Final = "~"


def counted(row: Row, name: str) -> str:
    """One count, or the range of it; marked where it depends on the order of events."""
    return f"{RANGED if ranged(row, name) else ''}{spelt(row.spans[name])}"


def flaws(row: Row, judge: str) -> str:
    """In brackets, what is wrong with a row; empty where nothing is. `judge` is who counted at the other end."""
    found = [] if row.exact else [f"{judge} counted otherwise"]
    if row.spans["failed"] != (0, 0):
        found.append(f"{spelt(row.spans['failed'])} failed")
    return f" ({'; '.join(found)})" if found else ""
