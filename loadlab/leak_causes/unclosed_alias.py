"""Code holds a connection where no request begins or ends: Django's rule to close old ones never reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.leak_causes.base import (
    LONG_SECONDS,
    MAIN_THREAD,
    LeakCause,
    is_command_s,
    most_unused,
    ours,
    share,
    them,
    unused_seconds,
)
from loadlab.model.holders import START_UP, Holder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.open_connections import Connections, Listing, OpenConnection


SERVE_IN_OTHERS: Final = ("gthread", "gevent", "asgi", "threaded", "wsgi")  # requests, not in the main thread


class UnclosedAlias(LeakCause):
    """Long unused ones of a copy or another handler, of a thread without requests, and of the project's start."""

    title: ClassVar[str] = "An alias that nothing closes"
    rank: ClassVar[int] = 50

    def found(self, listing: Listing) -> Connections:
        return tuple(one for one in ours(listing) if unused_seconds(one) >= LONG_SECONDS and any(_whys(listing, one)))

    def sentence(self, listing: Listing, found: Connections) -> str:
        aliases = ", ".join(dict.fromkeys(f"`{one.alias}`" for one in found))
        said = share(listing, found, one="has", more="have")
        idle = f"not been used for up to {most_unused(found)}"
        return f"{said} {idle}, of the alias {aliases}, and no end of a request closes {them(found)}"

    def fix(self, listing: Listing, found: Connections) -> str:
        return "; ".join(dict.fromkeys(fix for one in found for fix in _whys(listing, one)))


def _whys(listing: Listing, one: OpenConnection) -> Iterator[str]:
    """What to do about it; nothing where Django would close it, or is told to keep it."""
    if one.apart:
        yield "call close() on what connection.copy(), or a ConnectionHandler of the project's own, has made"
    elif one.holder is Holder.OUTSIDE and one.opened_by is not None and _outlives(listing, one):
        if one.opened_by.name == START_UP:
            if _serves_in_others(listing, one):
                yield "call connections.close_all() at the end of what runs at start-up"
        elif one.thread_name != MAIN_THREAD and not is_command_s(one):
            yield "call close_old_connections() in each turn of the thread's loop"


def _outlives(listing: Listing, one: OpenConnection) -> bool:
    """Whether it is older than the settings want it to be."""
    settings = listing.aliases.get(one.alias)
    most = None if settings is None else settings.max_age
    return most is not None and (one.opened_seconds or 0) > most


def _serves_in_others(listing: Listing, one: OpenConnection) -> bool:
    """Whether requests come in other threads than its own, so that none finds it."""
    return listing.server in SERVE_IN_OTHERS or any(
        other.owner == one.owner
        and other.thread != one.thread
        and other.used_by is not None
        and other.used_by.kind == "request"
        for other in listing.connections
    )
