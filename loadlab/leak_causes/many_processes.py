"""Live threads of many processes hold one connection each: no leak, but more than the database accepts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.leak_causes.base import LeakCause
from loadlab.model.holders import Holder

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing

NEARLY: Final = 0.8  # of what the database accepts
_LIVING: Final = (Holder.IN_USE, Holder.IDLE, Holder.POOL)


class ManyProcesses(LeakCause):
    """What live threads and pools hold, if it is most of what the database accepts."""

    title: ClassVar[str] = "More processes and threads than connections"
    rank: ClassVar[int] = 99

    def found(self, listing: Listing) -> Connections:
        living = tuple(one for one in listing.connections if one.holder in _LIVING)
        return living if listing.limit and len(living) >= NEARLY * listing.limit else ()

    def sentence(self, listing: Listing, found: Connections) -> str:
        each = Counter(one.owner for one in found)
        others = len(listing.connections) - len(found)
        beside = f", and {others} others are open" if others else ""
        return (
            f"No leak: live threads hold {len(found)} connections, up to {max(each.values())} in each of"
            f" {len(each)} processes; the database accepts {listing.limit}{beside}"
        )

    def fix(self, listing: Listing, found: Connections) -> str:  # noqa: ARG002
        return "use fewer processes or threads, CONN_MAX_AGE=0 if most are idle, a pooler, or a higher max_connections"
