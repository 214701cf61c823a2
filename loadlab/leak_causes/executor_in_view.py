"""Threads of a ThreadPoolExecutor query: idle ones keep their connections, ended ones until garbage is collected."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.leak_causes.base import (
    LOOPS_THREAD,
    LeakCause,
    idle_for_long,
    is_abandoned,
    more_than_spare,
    opened_by,
    share,
)
from loadlab.model.holders import Holder

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing, OpenConnection


class ExecutorInView(LeakCause):
    """Both kinds: an executor in a `with` statement, whose threads end, and one that is kept with its threads."""

    title: ClassVar[str] = "A ThreadPoolExecutor"
    rank: ClassVar[int] = 50

    def found(self, listing: Listing) -> Connections:
        executors = (one for one in listing.connections if one.executor)
        return more_than_spare(one for one in executors if _is_kept(one) or _is_left(one))

    def sentence(self, listing: Listing, found: Connections) -> str:
        idle = sum(one.holder is Holder.OUTSIDE for one in found)
        how = {0: "have ended", len(found): "are idle"}.get(idle, "are idle or have ended")
        return share(listing, found, one="belongs", more="belong") + f" to threads of a ThreadPoolExecutor that {how}"

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        return (
            "Django closes no connection there, at any CONN_MAX_AGE: call connections.close_all() at the end of each"
            " job, in a finally clause"
        )


def _is_kept(one: OpenConnection) -> bool:
    return one.holder is Holder.OUTSIDE and not one.thread_name.startswith(LOOPS_THREAD) and idle_for_long(one)


def _is_left(one: OpenConnection) -> bool:
    """Under ASGI, the thread of each request is one of an executor as well."""
    units = (one.asgi and opened_by(one, "request")) or opened_by(one, "task", "message")
    return is_abandoned(one) and not units
