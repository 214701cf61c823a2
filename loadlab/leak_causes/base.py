"""What a cause is: a known reason why connections stay open that should not, found in a listing by its marks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.model.durations import elapsed
from loadlab.model.holders import START_UP, UNHELD, Holder
from loadlab.model.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.open_connections import Connections, Listing, OpenConnection, Session, Unit

LONG_SECONDS: Final = 60.0  # that a program may well work for between two queries
PAGE: Final = "docs/reference/leak-causes.md"
ADD_FIX: Final = "add 'loadlab.fixes.close_on_thread_exit.CloseOnThreadExit' to INSTALLED_APPS"
IDLE: Final = "idle"  # how the states of a session begin in which it does nothing
IDLE_SECONDS: Final = 10.0
JUST_SECONDS: Final = 1.0
# How Python calls threads: those that a program starts without a name, those of an event loop's executor, and those of
# socketserver's mix-in, one for each client.
OWN_THREAD: Final = "Thread-"
LOOPS_THREAD: Final = "asyncio_"
CLIENTS_THREAD: Final = "Thread-* (process_request_thread)"
MAIN_THREAD: Final = "MainThread"


class LeakCause(ABC):
    """Base of the family. A member's file has the cause's name.

    `title` heads its section of the page. Where two members find the same connection, the one with the lower `rank`
    gets it: 10 for a mark that only this cause leaves, 90 for one that many may leave.
    """

    title: ClassVar[str]
    rank: ClassVar[int]

    @property
    def page(self) -> str:
        """Where it is explained: the file of the documentation, and the section."""
        kept = (character for character in self.title.lower() if character.isalnum() or character in " -_")
        return f"{PAGE}#{''.join(kept).replace(' ', '-')}"

    @abstractmethod
    def found(self, listing: Listing) -> Connections:
        """The listing's connections that are open for this cause; () where their marks may have another reason.

        A false alarm is worse than silence.
        """

    @abstractmethod
    def sentence(self, listing: Listing, found: Connections) -> str:
        """What is seen, without a full stop: "62 of 71 open connections belong to greenlets that have ended"."""

    @abstractmethod
    def fix(self, listing: Listing, found: Connections) -> str:
        """What to do, without a full stop: "set CONN_MAX_AGE to 0"."""


def ours(listing: Listing) -> Connections:
    """Those of the project itself."""
    return tuple(one for one in listing.connections if one.holder not in UNHELD)


def is_abandoned(connection: OpenConnection) -> bool:
    """Whether its thread has ended and nothing refers to it: the garbage collector will close it."""
    return connection.holder is Holder.LEAKED and not connection.kept


def abandoned(listing: Listing) -> Connections:
    return tuple(filter(is_abandoned, listing.connections))


def opened_by(connection: OpenConnection, *kinds: str) -> bool:
    """Whether a unit of one of these kinds has opened it."""
    return connection.opened_by is not None and connection.opened_by.kind in kinds


def idle_for_long(connection: OpenConnection) -> bool:
    """Whether nothing has been asked on it for so long that it is kept, and not just between two queries.

    Where the database was not asked, or may not tell, only the begin of its use is known.
    """
    return unused_seconds(connection) >= (LONG_SECONDS if _state_of(connection) is None else IDLE_SECONDS)


def is_command_s(connection: OpenConnection) -> bool:
    """Whether a management command, or another program that serves nothing, holds it outside of any task."""
    unit = connection.used_by
    outside = connection.holder is Holder.OUTSIDE and unit is not None and unit.kind == "other"
    return outside and str(unit) not in ("other", START_UP)


def unused_seconds(connection: OpenConnection) -> float:
    """For how long nothing has been asked on it, as far as that is known; 0 while the database works for it."""
    session = _state_of(connection)
    if session is None:
        return connection.used_seconds or 0
    return (session.state_seconds or 0) if session.state.startswith(IDLE) else 0


def _state_of(connection: OpenConnection) -> Session | None:
    """Its session, where the database says what that does: to some roles it does not."""
    session = connection.session
    return session if session is not None and session.state else None


def most_unused(found: Connections) -> str:
    """The longest of these times, in words."""
    return elapsed(max(map(unused_seconds, found)))


def more_than_spare(found: Iterable[OpenConnection]) -> Connections:
    """All found, or () where no more than one a process has lasted for JUST_SECONDS: a fix may be about to close it."""
    all_found = tuple(found)
    lasting = [one for one in all_found if one.used_seconds is None or one.used_seconds >= JUST_SECONDS]
    return all_found if len(lasting) > len({one.owner for one in all_found}) else ()


def share(listing: Listing, found: Connections, *, one: str, more: str) -> str:
    """How many of the project's connections do so, in words for one of them and for several."""
    of_all = plural(len(ours(listing)), "open connection")
    return f"{len(found):,} of {of_all} {one if len(found) == 1 else more}"


def them(found: Connections) -> str:
    """The pronoun for what was found."""
    return "it" if len(found) == 1 else "them"


def kept_for(listing: Listing, found: Connections) -> str:
    """CONN_MAX_AGE as the settings of these connections have it: "CONN_MAX_AGE=60"."""
    known = (listing.aliases.get(alias) for alias in dict.fromkeys(one.alias for one in found))
    ages = dict.fromkeys(settings.max_age for settings in known if settings is not None)
    return " and ".join(f"CONN_MAX_AGE={'None' if age is None else f'{age:g}'}" for age in ages)


def closes_at_end(listing: Listing, connection: OpenConnection) -> bool:
    """Whether Django closes the connection whenever a request of its thread ends; False where that is not known."""
    settings = listing.aliases.get(connection.alias)
    return settings is not None and settings.max_age == 0


def openers(found: Iterable[OpenConnection]) -> tuple[tuple[str, int], ...]:
    """The units of work that have opened them, with how many each, the most first."""
    counts = Counter(_named(one.opened_by) for one in found)
    return tuple(sorted(counts.items(), key=lambda counted: (-counted[1], counted[0])))


def _named(unit: Unit | None) -> str:
    if unit is None:
        return "a unit that is not known"
    return str(unit) if unit.name else {"other": "no request or task"}.get(unit.kind, f"a {unit.kind}")
