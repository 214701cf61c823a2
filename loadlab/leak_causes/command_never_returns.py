"""A management command or another program runs for ever, and keeps a connection that it hardly uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.leak_causes.base import LONG_SECONDS, LeakCause, in_transaction, share, spelt, unused_seconds
from loadlab.model.open_connections import START_UP, Holder

if TYPE_CHECKING:
    from loadlab.leak_causes.base import Connections
    from loadlab.model.open_connections import Listing


class CommandNeverReturns(LeakCause):
    """Connections that a program holds outside of any request or task, and has not used for long."""

    title: ClassVar[str] = "A command that never returns"
    rank: ClassVar[int] = 30

    def found(self, listing: Listing) -> Connections:
        return tuple(
            one
            for one in listing.connections
            if one.holder is Holder.OUTSIDE
            and one.used_by is not None
            and one.used_by.name not in ("", START_UP)
            and unused_seconds(one) >= LONG_SECONDS
        )

    def sentence(self, listing: Listing, found: Connections) -> str:
        names = ", ".join(dict.fromkeys(f"`{one.used_by}`" for one in found))
        said = share(listing, found, one="is held", more="are held")
        idle = f"not used {'it' if len(found) == 1 else 'them'} for {spelt(max(map(unused_seconds, found)))}"
        waits = ", and has a transaction open" if any(map(in_transaction, found)) else ""
        return f"{said} by {names}, which runs outside of any request or task and has {idle}{waits}"

    def cure(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        leave = "leave atomic() and " if any(map(in_transaction, found)) else ""
        return f"have it {leave}call connections.close_all() before it waits"
