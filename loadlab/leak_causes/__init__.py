"""FAMILY of leak causes: known reasons why connections stay open that should not, each found in a listing by its marks.

Projects import it: it needs the standard library and `loadlab.model` only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from loadlab.leak_causes.base import (
    LeakCause,
    abandoned,
    closes_at_end,
    more_than_spare,
    opened_by,
    openers,
    ours,
    share,
)
from loadlab.model.holders import Holder
from loadlab.model.open_connections import NamedCause
from loadlab.model.text import listed, plural
from loadlab.registry import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadlab.model.open_connections import Connections, Listing

LEAK_CAUSES: Final = Family("loadlab.leak_causes", LeakCause, "cause of a leak")
MOST_OPENERS: Final = 3  # that a sentence names

__all__ = ["LEAK_CAUSES", "LeakCause", "named", "verdict"]


def named(listing: Listing) -> tuple[NamedCause, ...]:
    """The causes that are found, the one with the most connections first; a connection belongs to one at most."""
    causes = tuple(_named(listing))
    return tuple(sorted(causes, key=lambda cause: -len(cause.connections)))


def _named(listing: Listing) -> Iterator[NamedCause]:
    members = {name: LEAK_CAUSES[name]() for name in LEAK_CAUSES}
    left = listing
    for name, member in sorted(members.items(), key=lambda item: (item[1].rank, item[0])):
        if found := member.found(left):
            left = replace(left, connections=without(left.connections, found))
            yield NamedCause(
                name=name,
                connections=found,
                openers=openers(found),
                sentence=member.sentence(listing, found),
                fix=member.fix(listing, found),
            )


def without(connections: Connections, found: Connections) -> Connections:
    """By identity: two connections may be equal in all that is known of them."""
    taken = {id(one) for one in found}
    return tuple(one for one in connections if id(one) not in taken)


def verdict(listing: Listing) -> str:
    """Why connections are open that should not be, one line for each cause; or that none is, with the figures."""
    causes = named(listing)
    lines = [_line(cause) for cause in causes]
    rest = replace(listing, connections=without(listing.connections, _all(causes)))
    lines += filter(None, (_waiting(listing, rest), _other_settings(rest), _unknown(listing, rest)))
    if not lines:
        lines.append(_healthy(listing))
    if not listing.asked:
        lines.append("The database was not asked: what other programs have open is not known.")
    return "\n".join(lines)


def _line(cause: NamedCause) -> str:
    by = [f"`{name}` ({count})" for name, count in cause.openers[:MOST_OPENERS]]
    if others := sum(count for _, count in cause.openers[MOST_OPENERS:]):
        by.append(f"others ({others})")
    return f"{cause.sentence}; opened by {listed(by)}; {cause.fix}."


def _all(causes: Iterable[NamedCause]) -> Connections:
    return tuple(one for cause in causes for one in cause.connections)


def _waiting(listing: Listing, rest: Listing) -> str:
    """Of leaked connections without a cause that is known, and so few that no cause is looked for."""
    if not (waiting := abandoned(rest)):
        return ""
    said = share(listing, waiting, one="belongs to a thread that has ended", more="belong to threads that have ended")
    return f"{said}, and {'closes' if len(waiting) == 1 else 'close'} when Python collects garbage."


def _other_settings(rest: Listing) -> str:
    """Of leaked connections that Django would have closed at the end of requests, by the settings as read here."""
    of_requests = (one for one in abandoned(rest) if opened_by(one, "request", "message") and not one.lent)
    if not more_than_spare(one for one in of_requests if closes_at_end(rest, one)):
        return ""
    return (
        "CONN_MAX_AGE is 0 in the settings as they were read here, and Django would have closed them when their"
        " requests ended: if the site runs in another environment, list them there, or on the site's own page."
    )


def _unknown(listing: Listing, rest: Listing) -> str:
    if not (unknown := tuple(one for one in rest.connections if one.holder is Holder.UNKNOWN)):
        return ""
    said = share(listing, unknown, one="belongs", more="belong")
    return f"{said} to processes of an earlier loadlab, which do not note the holder: restart them to know."


def _healthy(listing: Listing) -> str:
    mine = ours(listing)
    if not mine and listing.uncounted:
        return "No connection is listed: processes of this project may have some that are not counted here."
    if not mine:
        return f"No connection of {'the hosts that answered' if listing.silent else 'this project'} is open."
    counts = Counter(one.holder for one in mine)
    figures = "; ".join(f"{counts[holder]} {holder.title}" for holder in sorted(counts))
    return f"No cause of a leak is found. {plural(len(mine), 'open connection')}: {figures}."
