"""Code queries in the event loop's executor (thread_sensitive=False, to_thread), where Django closes no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.leak_causes.base import LOOPS_THREAD, LeakCause, idle_for_long, share
from loadlab.model.holders import Holder

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing, OpenConnection

HELD: Final = (Holder.IN_USE, Holder.OUTSIDE)


class ThreadInsensitive(LeakCause):
    """Connections of living threads of asyncio's, in which units of work begin and never end."""

    title: ClassVar[str] = "sync_to_async with thread_sensitive=False"
    rank: ClassVar[int] = 40

    def found(self, listing: Listing) -> Connections:
        return tuple(one for one in listing.connections if _is_loops(one))

    def sentence(self, listing: Listing, found: Connections) -> str:
        one, more = "belongs to a thread of asyncio's executor", "belong to threads of asyncio's executor"
        return share(listing, found, one=one, more=more)

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        return (
            "Django closes and checks no connection there, at any CONN_MAX_AGE: leave out thread_sensitive=False, or"
            " call connections.close_all() at the end of the function"
        )


def _is_loops(one: OpenConnection) -> bool:
    if not one.thread_name.startswith(LOOPS_THREAD) or one.holder not in HELD:
        return False
    # Hypercorn serves WSGI in such threads, and there requests end.
    return (one.asgi and one.unended) or ((one.asgi or one.holder is Holder.OUTSIDE) and idle_for_long(one))
