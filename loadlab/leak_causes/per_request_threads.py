"""Each request has its own thread, greenlet or context, and CONN_MAX_AGE keeps connections that none can find again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.leak_causes.base import (
    ADD_FIX,
    CLIENTS_THREAD,
    MAIN_THREAD,
    OWN_THREAD,
    LeakCause,
    abandoned,
    closes_at_end,
    kept_for,
    more_than_spare,
    opened_by,
    share,
)
from loadlab.model.holders import GREENLET

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing, OpenConnection

BY_NAME: Final = {
    GREENLET: "gevent",
    CLIENTS_THREAD: "a server with a thread for each client, as runserver is",
    MAIN_THREAD: "an event loop that runs synchronous code, as tornado's",
}
ASGI: Final = "ASGI"
OTHER: Final = "a server that ends idle threads, as granian does"


class PerRequestThreads(LeakCause):
    """Connections that requests have opened, in threads which have ended as those of such servers do."""

    title: ClassVar[str] = "A thread or greenlet per request"
    rank: ClassVar[int] = 80

    def found(self, listing: Listing) -> Connections:
        return more_than_spare(
            one
            for one in abandoned(listing)
            if opened_by(one, "request", "message") and _server(one) and not closes_at_end(listing, one)
        )

    def sentence(self, listing: Listing, found: Connections) -> str:
        kind = GREENLET if all(one.thread_name == GREENLET for one in found) else "thread"
        one, more = f"belongs to a {kind} that has ended", f"belong to {kind}s that have ended"
        return share(listing, found, one=one, more=more)

    def fix(self, listing: Listing, found: Connections) -> str:
        servers = " and ".join(dict.fromkeys(filter(None, map(_server, found))))
        kept = kept_for(listing, found) or "CONN_MAX_AGE above 0"
        return f"{kept} under {servers}: set it to 0, or use Django's pool, or {ADD_FIX}"


def _server(connection: OpenConnection) -> str:
    """What serves requests in such threads; "" where the thread is the project's own."""
    name = connection.thread_name
    if name != GREENLET and connection.asgi:
        return ASGI
    if connection.executor:
        return ""
    return BY_NAME.get(name, "" if name.startswith(OWN_THREAD) else OTHER)
