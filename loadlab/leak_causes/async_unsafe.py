"""DJANGO_ALLOW_ASYNC_UNSAFE lets views query in the event loop's thread, where Django closes no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.leak_causes.base import LeakCause, more_than_spare, ours, share
from loadlab.model.holders import GREENLET

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing


class AsyncUnsafe(LeakCause):
    """Connections of ASGI requests that no executor's thread has opened: each belongs to the context of one task."""

    title: ClassVar[str] = "Synchronous queries in the event loop"
    rank: ClassVar[int] = 45

    def found(self, listing: Listing) -> Connections:
        # A task's context is garbage in a cycle as its connection is, so that whether it has ended is not seen.
        return more_than_spare(
            one
            for one in ours(listing)
            if one.asgi and not (one.executor or one.apart or one.kept) and one.thread_name != GREENLET
        )

    def sentence(self, listing: Listing, found: Connections) -> str:
        return share(listing, found, one="was", more="were") + " opened by synchronous code in the event loop's thread"

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        return (
            "Django closes none there, at any CONN_MAX_AGE: unset DJANGO_ALLOW_ASYNC_UNSAFE, and query by the ORM's"
            " asynchronous methods or sync_to_async()"
        )
