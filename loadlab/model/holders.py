"""Who holds an open connection: what the instrumentation needs of it in each process of a project."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

GREENLET: Final = "greenlet"  # the name of a thread that is none
START_UP: Final = "start-up"  # the name of what runs while a project is loaded, before any unit of work


class Holder(IntEnum):
    """Who holds an open connection, worst first; the value says which cell of a ledger counts it."""

    LEAKED = 0  # its thread or greenlet has ended: no later request can find it
    OUTSIDE = 1  # it was used last outside of any request, task or message: by start-up, a thread, a command
    IN_USE = 2  # a unit of work uses it now
    IDLE = 3  # its thread lives, and its next unit of work may find it
    POOL = 4  # its pool may lend it
    UNKNOWN = 5  # of a process of an earlier loadlab
    NOT_OURS = 6  # no process of this project has it; only the database knows of it
    NOT_TOLD = 7  # the same, and what is not listed may have it: a pooler, a host, or processes that are not counted

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def title(self) -> str:
        return _TITLES[self]


_LABELS: Final = ("leaked", "outside", "in_use", "idle", "pool_idle", "unknown", "not_ours", "not_told")
_TITLES: Final = (
    "dead thread: leaked",
    "outside any request",
    "live thread, in use",
    "live thread, idle",
    "pool, idle",
    "not known",
    "not ours",
    "not known whether ours",
)
UNHELD: Final = (Holder.NOT_OURS, Holder.NOT_TOLD)  # by any process of the project
COUNTED: Final = tuple(holder for holder in Holder if holder not in UNHELD)  # by the project's own metrics


def by_holder(holders: Mapping[str, int]) -> dict[str, int]:
    """How many open connections each holder has, 0 too, under the names that samples of a trial have for them.

    >>> by_holder({"leaked": 3})["open_leaked"]
    3
    """
    return {f"open_{holder.label}": holders.get(holder.label, 0) for holder in COUNTED}
