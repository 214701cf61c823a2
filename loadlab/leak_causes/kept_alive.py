"""Something, as a debug tool does, refers to a connection whose thread has ended: no garbage collection closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.leak_causes.base import LeakCause, share, them

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing


class KeptAlive(LeakCause):
    """Connections of ended threads that were still open when Python had collected what these threads left."""

    title: ClassVar[str] = "Something that keeps a connection alive"
    rank: ClassVar[int] = 60

    def found(self, listing: Listing) -> Connections:
        return tuple(one for one in listing.connections if one.kept)

    def sentence(self, listing: Listing, found: Connections) -> str:
        said = share(listing, found, one="belongs to a thread that has ended", more="belong to threads that have ended")
        return f"{said}, and something still refers to {them(found)}: no garbage collection helps"

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        return (
            "look for what keeps it: a debug tool, a list of connections or cursors, an exception with its traceback;"
            " gc.get_referrers() finds it"
        )
