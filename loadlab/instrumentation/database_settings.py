"""Reads what matters to connections in the entries of DATABASES, as Django has completed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_POOL: Final = 4  # connections of a pool that says no more: psycopg_pool's min_size, which is its max_size too

TRUE_OR_FALSE: Final = ("ATOMIC_REQUESTS", "AUTOCOMMIT", "CONN_HEALTH_CHECKS", "DISABLE_SERVER_SIDE_CURSORS")


def kept(databases: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(alias, entry) of each database whose connections are kept after a request."""
    return ((alias, entry) for alias, entry in databases.items() if entry["CONN_MAX_AGE"] != 0)


def pool_in(entry: dict[str, Any]) -> object:
    """What asks for Django's pool: True, or a dict of its options; anything false where there is none."""
    return (entry["OPTIONS"] or {}).get("pool")


def min_size(pool: object) -> object:
    """How many connections a pool opens at once, as its options have it: psycopg_pool may refuse that."""
    return pool.get("min_size", DEFAULT_POOL) if isinstance(pool, dict) else DEFAULT_POOL


def max_size(pool: object) -> object:
    """The most connections that a pool opens, likewise."""
    return (pool.get("max_size") if isinstance(pool, dict) else None) or min_size(pool)


def texts(entry: dict[str, Any]) -> list[tuple[str, str]]:
    """(key, text) of each setting that is a text and should be True or False: any text but the empty one is true."""
    return [(key, entry[key]) for key in TRUE_OR_FALSE if isinstance(entry.get(key), str)]
