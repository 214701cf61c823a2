"""The project starts threads that query and end, and does not close their connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.leak_causes.base import (
    ADD_FIX,
    CLIENTS_THREAD,
    MAIN_THREAD,
    OWN_THREAD,
    LeakCause,
    abandoned,
    more_than_spare,
    opened_by,
    share,
)

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing, OpenConnection

MOST_NAMES: Final = 3  # of threads, in a sentence
SERVERS: Final = (CLIENTS_THREAD, MAIN_THREAD)


class ThreadPerJob(LeakCause):
    """Connections of ended threads that served no request: those of `threading.Thread`, or of `gevent.spawn`."""

    title: ClassVar[str] = "A thread per job"
    rank: ClassVar[int] = 60

    def found(self, listing: Listing) -> Connections:
        return more_than_spare(one for one in abandoned(listing) if _is_job(one))

    def sentence(self, listing: Listing, found: Connections) -> str:
        names = [f"`{name}`" for name in dict.fromkeys(one.thread_name for one in found) if name]
        others = [f"{len(names) - MOST_NAMES} others"] if len(names) > MOST_NAMES else []
        called = f" ({' and '.join(names[:MOST_NAMES] + others)})" if names else ""
        return share(
            listing,
            found,
            one=f"belongs to a thread of the project's own that has ended{called}",
            more=f"belong to threads of the project's own that have ended{called}",
        )

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        return (
            "Django closes no connection there: call connections.close_all() at the end of the thread's function, or"
            f" {ADD_FIX}"
        )


def _is_job(one: OpenConnection) -> bool:
    if one.executor or one.thread_name in SERVERS:
        return False
    # Some agents give a thread the context of the request that started it.
    return opened_by(one, "other") or one.thread_name.startswith(OWN_THREAD)
