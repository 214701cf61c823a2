"""A management command or another program runs for ever, and keeps a connection that it hardly uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.leak_causes.base import (
    LONG_SECONDS,
    LeakCause,
    idle_for_long,
    is_command_s,
    most_unused,
    share,
    them,
    unused_seconds,
)
from loadlab.model.holders import START_UP

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing


class CommandNeverReturns(LeakCause):
    """Connections that a program holds outside of any request or task, and has not used for long."""

    title: ClassVar[str] = "A command that never returns"
    rank: ClassVar[int] = 55

    def found(self, listing: Listing) -> Connections:
        return tuple(
            one
            for one in listing.connections
            if is_command_s(one)
            and (idle_for_long(one) if one.idle_in_transaction else unused_seconds(one) >= LONG_SECONDS)
        )

    def sentence(self, listing: Listing, found: Connections) -> str:
        names = ", ".join(dict.fromkeys(f"`{one.used_by}`" for one in found))
        said = share(listing, found, one="is held", more="are held")
        idle = f"not used {them(found)} for {most_unused(found)}"
        waits = ", and has a transaction open" if any(one.idle_in_transaction for one in found) else ""
        return f"{said} by {names}, which runs outside of any request or task and has {idle}{waits}"

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        if all(one.opened_by is not None and one.opened_by.name == START_UP for one in found):
            return "call connections.close_all() at the end of what runs at start-up"
        leave = "leave atomic() and " if any(one.idle_in_transaction for one in found) else ""
        return f"have it {leave}call connections.close_all() before it waits"
