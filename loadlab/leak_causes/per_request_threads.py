"""Each request has its own thread, greenlet or context, and CONN_MAX_AGE keeps connections that none can find again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.leak_causes.base import LeakCause, abandoned, closes_at_end, kept_for, more_than_spare, share
from loadlab.model.holders import GREENLET

if TYPE_CHECKING:
    from loadlab.leak_causes.base import Connections
    from loadlab.model.open_connections import Listing

# What serves one request, or one client, and ends, by the name of its thread.
SERVED_BY: Final = {
    GREENLET: "gevent",
    "Thread-* (process_request_thread)": "a server with a thread for each client, as runserver is",
    "ThreadPoolExecutor-*_*": "ASGI",
    "MainThread": "an event loop that runs synchronous code, as tornado's",
}


class PerRequestThreads(LeakCause):
    """Connections that requests have opened, in threads which have ended as those of such servers do."""

    title: ClassVar[str] = "A thread or greenlet per request"
    rank: ClassVar[int] = 80

    def found(self, listing: Listing) -> Connections:
        return more_than_spare(
            one
            for one in abandoned(listing)
            if one.thread_name in SERVED_BY
            and one.opened_by is not None
            and one.opened_by.kind == "request"
            and not closes_at_end(listing, one)
        )

    def sentence(self, listing: Listing, found: Connections) -> str:
        kind = GREENLET if all(one.thread_name == GREENLET for one in found) else "thread"
        one, more = f"belongs to a {kind} that has ended", f"belong to {kind}s that have ended"
        return share(listing, found, one=one, more=more)

    def cure(self, listing: Listing, found: Connections) -> str:
        servers = " and ".join(dict.fromkeys(SERVED_BY[one.thread_name] for one in found))
        kept = kept_for(listing, found) or "CONN_MAX_AGE above 0"
        return f"{kept} under {servers}: set it to 0, or use Django's pool or loadlab's fix close_on_thread_exit"
