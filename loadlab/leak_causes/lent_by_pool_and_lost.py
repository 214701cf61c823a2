"""A thread ends with a connection that a pool has lent it: the pool waits for it, and has one less to lend."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.leak_causes.base import ADD_FIX, LeakCause, share, them
from loadlab.model.holders import Holder

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing


class LentByPoolAndLost(LeakCause):
    """Lent connections of threads or greenlets that have ended."""

    title: ClassVar[str] = "A pool's connection that its thread never gave back"
    rank: ClassVar[int] = 20

    def found(self, listing: Listing) -> Connections:
        return tuple(one for one in listing.connections if one.lent and one.holder is Holder.LEAKED)

    def sentence(self, listing: Listing, found: Connections) -> str:
        said = share(
            listing,
            found,
            one="was lent by a pool to a thread that has ended",
            more="were lent by a pool to threads that have ended",
        )
        return f"{said}: the pool waits for {them(found)}, and lends fewer"

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        return f"end such a thread with connections.close_all(), or {ADD_FIX}"
