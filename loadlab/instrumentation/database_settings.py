"""Reads what matters to connections in the entries of DATABASES, as Django has completed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_POOL: Final = 4  # connections of a pool that says no more: psycopg_pool's min_size, which is its max_size too


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
