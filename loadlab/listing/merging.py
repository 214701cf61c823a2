"""Puts the listings of several hosts together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from loadlab.listing.ordering import worst_first
from loadlab.model.open_connections import Listing

if TYPE_CHECKING:
    from collections.abc import Mapping


def merged(listings: Mapping[str, Listing], silent: Mapping[str, str]) -> Listing:
    """One listing of all, at least one, given by the names of their hosts; those of the same ledgers count once.

    `silent` says of each host that gave none why that is.
    """
    apart: dict[str, tuple[str, Listing]] = {}
    notes = []
    for name, one in listings.items():
        first = apart.setdefault(one.place or name, (name, one))[0]
        if first != name:
            notes.append(f"{name} and {first} tell of the same processes, which are listed once.")
    if len(apart) == 1 and not silent:
        ((_, only),) = apart.values()
        return replace(only, notes=(*only.notes, *notes))
    found = dict(apart.values())
    return Listing(
        at=max(one.at for one in found.values()),
        connections=worst_first(replace(row, host=host) for host, one in found.items() for row in one.connections),
        aliases={alias: said for one in reversed(found.values()) for alias, said in one.aliases.items()},
        server=next((one.server for one in found.values() if one.server), ""),
        ended=tuple(row for one in found.values() for row in one.ended),
        notes=(
            *(f"Not listed: {why}" for why in silent.values()),
            *(f"{host}: {note}" for host, one in found.items() for note in one.notes),
            *notes,
        ),
        silent=tuple(silent),
        uncounted=any(one.uncounted for one in found.values()),
    )
