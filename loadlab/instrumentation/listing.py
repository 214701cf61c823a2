"""Lists this project's open connections: whose each is, and what the settings say of its alias."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.utils import load_backend

from loadlab.instrumentation import ASKING, current
from loadlab.instrumentation.database_settings import pool_in
from loadlab.instrumentation.open_connections import listing_of
from loadlab.instrumentation.serving import serving
from loadlab.model.open_connections import AliasSettings

if TYPE_CHECKING:
    from loadlab.model.open_connections import Listing


def listing() -> Listing:
    """All that is open now, from the ledgers of the project's processes on this machine; the database is not asked.

    Raises:
        OSError: the ledgers cannot be read.
    """
    aliases = {alias: _settings(entry) for alias, entry in connections.databases.items()}
    found = listing_of(current.directory(), aliases, os.getpid() if sys.argv[1:2] in ASKING else None)
    return replace(found, server=found.server or _configured())


def _settings(entry: dict[str, Any]) -> AliasSettings:
    age = entry["CONN_MAX_AGE"]
    known = isinstance(age, int | float)  # Django says what is wrong with anything else
    return AliasSettings(
        vendor=_vendor(entry["ENGINE"]), max_age=float(age) if known else None, pool=bool(pool_in(entry))
    )


def _vendor(engine: str) -> str:
    with suppress(ImproperlyConfigured, ImportError):
        return str(load_backend(engine).DatabaseWrapper.vendor)
    return ""


def _configured() -> str:
    """The mode in which the project is served, as far as this process or the settings tell."""
    known = serving()
    return "" if known is None else known.mode
