"""The drivers of PostgreSQL that Django knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Each with the distributions that have it, any one of which is enough; the first is taken where any will do.
DRIVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "psycopg2": ("psycopg2", "psycopg2-binary"),
    "psycopg": ("psycopg",),
}
