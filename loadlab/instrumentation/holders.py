"""Knows who holds a connection: the thread or greenlet, whether it still lives, and the unit of work.

Django keeps a thread's wrappers in a `Local` of asgiref. What is kept in another one of these lives exactly as long: so
the end of a `Presence` is the instant from which no later request finds the thread's connections.
"""

from __future__ import annotations

import re
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from asgiref.local import Local

from loadlab.instrumentation import layout
from loadlab.instrumentation.jobs import is_executors, job
from loadlab.instrumentation.roles import serves
from loadlab.instrumentation.serving import program_of
from loadlab.model.holders import GREENLET, START_UP
from loadlab.model.metrics import ROOT, UnitKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.instrumentation.ledger import Ledger
    from loadlab.instrumentation.row import Row
    from loadlab.instrumentation.work import Work

_OUTSIDE: Final = layout.PAIR * UnitKind.OTHER
_KEY: Final = "presence"
_local: Final = Local(thread_critical=True)  # as Django's handler has it
_MANAGING: Final = ("manage", "django-admin", "django")
_COMMAND: Final = re.compile(r"[A-Za-z_][\w-]*")  # and no path or option
_NUMBERS: Final = re.compile(r"(?<=[-_])\d+")


class Presence:
    """Lives as long as its thread or greenlet; its end marks `rows`, the connections that are then open, as ENDED."""

    __slots__ = ("_canary", "rows")

    def __init__(self) -> None:
        self.rows: set[Row] = set()
        self._canary = _Canary(self.rows)

    # What it calls is bound here: while Python exits, modules may be gone.
    def __del__(self, exiting: Callable[[], bool] = sys.is_finalizing) -> None:
        if not exiting():
            _tell(self.rows, layout.ENDED)


class _Canary:
    """Garbage from when its presence ends, in a cycle as Django's wrappers are, and no younger than theirs.

    The garbage collector searches old objects only together with younger ones. So the search that frees this canary
    would free the wrappers too, and something else keeps what is still open then.
    """

    __slots__ = ("_itself", "_rows")

    def __init__(self, rows: set[Row]) -> None:
        self._rows = rows
        self._itself = self

    def __del__(self, exiting: Callable[[], bool] = sys.is_finalizing) -> None:
        if not exiting():
            _tell(self._rows, layout.KEPT)


def _tell(rows: set[Row], life: int) -> None:
    for row in tuple(rows):
        row.left(life)


def presence() -> Presence:
    """That of the caller's thread, greenlet or, in an event loop, context."""
    known: Presence | None = getattr(_local, _KEY, None)
    if known is None:
        known = Presence()
        setattr(_local, _KEY, known)
    return known


def thread(ledger: Ledger) -> tuple[int, int]:
    """The caller's: the kernel's number, and that of its name, in which "*" stands for a number."""
    known = _started_thread()
    name = GREENLET if _in_greenlet() else _NUMBERS.sub("*", known.name) if known is not None else ""
    return threading.get_native_id(), ledger.thread(name)


def _started_thread() -> threading.Thread | None:
    """The caller's; None where Python has not started it."""
    # threading.current_thread() would make an object for each of those.
    known: threading.Thread | None = getattr(threading, "_active", {}).get(threading.get_ident())
    return known


def _in_greenlet() -> bool:
    greenlet: Any = sys.modules.get("greenlet")
    return greenlet is not None and greenlet.getcurrent().parent is not None


def unit(ledger: Ledger, work: Work | None, pair: int, row: Row) -> int:
    """The number of the name of the unit that uses a connection; 0 while it is not known.

    `pair`: how far the cells of its kind are from those of requests. A request that uses a connection before its URL is
    resolved is named when it ends.
    """
    if work is None:
        return ledger.unit(_OUTSIDE, _command())
    name = work.name
    if work.request is not None:
        match = work.request.resolver_match
        name = None if match is None else match.route or ROOT
    if name is not None:
        return ledger.unit(pair, name)
    if work.unnamed is None:
        work.unnamed = []
    work.unnamed.append(row)
    return 0


def name_earlier(work: Work) -> None:
    """A request is answered: what used a connection before its URL was resolved gets its name."""
    rows, work.unnamed = work.unnamed, None
    for row in rows or ():
        row.named(row.ledger.unit(work.pair, work.name or ""))


def opening_unit(ledger: Ledger, work: Work | None, row: Row, *, loading: bool) -> int:
    """The same, of the unit that opens it."""
    if work is not None:
        return unit(ledger, work, work.pair, row)
    if loading:
        return ledger.unit(_OUTSIDE, START_UP)
    return ledger.unit(_OUTSIDE, (not _in_main_thread() and job()) or _command())


def _in_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


def place(work: Work | None) -> int:
    """Whether the caller works for a request of the ASGI handler, and whether in a thread of an executor."""
    asgi = work is not None and hasattr(work.request, "scope")
    return (asgi and layout.ASGI) + (is_executors(_started_thread()) and layout.EXECUTOR)


@cache
def _command() -> str:
    """What runs outside of units: a management command or another program; a thread of a server's has no name here."""
    program, command = program_of(sys.argv[0]) if sys.argv else "", "".join(sys.argv[1:2])
    if serves() or program.startswith("-"):
        return ""
    return command if program in _MANAGING and _COMMAND.fullmatch(command) else program
