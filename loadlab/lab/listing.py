"""Lists what a target has open, with what PostgreSQL says of each connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.instrumentation.open_connections import listed_with, listing_of
from loadlab.listing.sessions import database_sessions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadlab.lab.lab import Lab
    from loadlab.model.open_connections import AliasSettings, Listing


def target_listing(lab: Lab, ledgers: Path, aliases: Mapping[str, AliasSettings]) -> Listing:
    """From the target's ledgers; the lab's own session is of another database.

    Raises:
        OSError: the ledgers cannot be read.
    """
    return listed_with(lambda: listing_of(ledgers, aliases), lambda: database_sessions(lab.cursor, lab.database.name))
