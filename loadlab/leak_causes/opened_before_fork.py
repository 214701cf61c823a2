"""A process opens a connection and forks: its children use the same socket, and read each other's results."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.leak_causes.base import LeakCause, ours, share, them

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing


class OpenedBeforeFork(LeakCause):
    """Connections that processes have used which were forked while these were open."""

    title: ClassVar[str] = "A connection that was opened before a fork"
    rank: ClassVar[int] = 10

    def found(self, listing: Listing) -> Connections:
        return tuple(one for one in ours(listing) if one.shared_with)

    def sentence(self, listing: Listing, found: Connections) -> str:
        parents = len({one.owner for one in found})
        children = len({(one.host, process) for one in found for process in one.shared_with})
        said = share(listing, found, one="was opened", more="were opened")
        by = (
            f"process {found[0].process} before it forked"
            if parents == 1
            else f"{parents} processes before they forked"
        )
        users = "1 process that was forked uses" if children == 1 else f"{children} processes that were forked use"
        return f"{said} by {by}, and {users} {them(found)}"

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        return (
            "two processes cannot share a connection: make no query while the project is loaded, or call"
            " connections.close_all() before the fork"
        )
