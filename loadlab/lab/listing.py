"""Lists what a target has open, with what PostgreSQL says of each connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from loadlab.instrumentation.open_connections import open_connections
from loadlab.listing.joining import Asked, joined
from loadlab.listing.ordering import worst_first
from loadlab.listing.sessions import activity
from loadlab.model.open_connections import Listing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadlab.lab.lab import Lab
    from loadlab.model.open_connections import AliasSettings


def target_listing(lab: Lab, ledgers: Path, aliases: Mapping[str, AliasSettings]) -> Listing:
    """From the target's ledgers; the lab's own session is of another database.

    Raises:
        OSError: the ledgers cannot be read.
    """

    def read() -> Listing:
        return Listing(at=time.time(), connections=worst_first(open_connections(ledgers)), aliases=aliases)

    before, since = read(), time.monotonic()
    seen, until = activity(lab.cursor, lab.database.name), time.monotonic()
    after = read()
    return joined(before, after, [Asked(activity=seen, before=until - since, after=time.monotonic() - until)])
