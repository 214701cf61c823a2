"""A stream queries after its view has returned, and holds the connection until it ends; or code queries after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.leak_causes.base import LeakCause, is_abandoned, more_than_spare, share
from loadlab.model.holders import Holder

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing, OpenConnection

HELD_SECONDS: Final = 10.0  # longer than most streams that a client waits for


class StreamingResponse(LeakCause):
    """Connections of requests whose views have returned: Django closes them when the response is closed, or never."""

    title: ClassVar[str] = "A streaming response"
    rank: ClassVar[int] = 20

    def found(self, listing: Listing) -> Connections:
        answered = tuple(one for one in listing.connections if one.answered)
        return (*more_than_spare(filter(is_abandoned, answered)), *filter(_is_held, answered))

    def sentence(self, listing: Listing, found: Connections) -> str:
        one, more = "has been used since its view returned", "have been used since their views returned"
        return f"{share(listing, found, one=one, more=more)}, by streams or by what runs after a response"

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        return (
            "a stream holds its connection until it ends: read before it streams, or call connection.close() after each"
            " query of the stream"
        )


def _is_held(one: OpenConnection) -> bool:
    return one.holder is Holder.IN_USE and (one.used_seconds or 0) >= HELD_SECONDS
