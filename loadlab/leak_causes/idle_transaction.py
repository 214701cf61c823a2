"""Code waits for something else inside a transaction: the connection is idle, and its locks and snapshot stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.leak_causes.base import LeakCause, idle_for_long, is_command_s, most_unused, ours, share

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing

MOST_NAMED: Final = 3


class IdleTransaction(LeakCause):
    """Connections with an open transaction that the database has not heard of for long."""

    title: ClassVar[str] = "An idle transaction"
    rank: ClassVar[int] = 35

    def found(self, listing: Listing) -> Connections:
        return tuple(
            one for one in ours(listing) if one.idle_in_transaction and idle_for_long(one) and not is_command_s(one)
        )

    def sentence(self, listing: Listing, found: Connections) -> str:
        said = share(listing, found, one="waits", more="wait")
        users = [f"`{name}`" for name in dict.fromkeys(str(one.used_by) for one in found if one.used_by is not None)]
        last = f"; used last by {', '.join(users[:MOST_NAMED])}" if users else ""
        return f"{said} in an open transaction, idle for up to {most_unused(found)}{last}"

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        return (
            "end the transaction before the code waits for anything else, and set idle_in_transaction_session_timeout"
            " as a limit"
        )
