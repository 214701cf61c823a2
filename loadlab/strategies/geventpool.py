"""django-db-geventpool: a pool of connections among the greenlets of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Changes, ConnectionLife, ServerTraits
from loadlab.strategies.base import Count, Strategy

ENGINES = {"psycopg2": "postgresql_psycopg2", "psycopg": "postgresql_psycopg3"}


@dataclass(frozen=True, kw_only=True, slots=True)
class GeventPool(Strategy):
    """`max_conns` connections per worker, nominally: greenlets that arrive together get past its check."""

    proposed_by: ClassVar[str] = "a third-party package, since 2013"
    gives_up: ClassVar[tuple[str, ...]] = (
        "MAX_CONNS is not a hard limit: greenlets that open at the same time exceed it",
        "one SELECT 1 each time that a connection is taken, even without CONN_HEALTH_CHECKS",
        "changes ENGINE to a third party's",
    )
    packages: ClassVar[tuple[str, ...]] = ("django-db-geventpool",)
    refused: ClassVar[Mapping[str, str]] = {"max_age": "the pool keeps the connections; CONN_MAX_AGE has no effect"}

    max_conns: Count = 4

    def incompatible(self, where: ServerTraits) -> str | None:
        if not where.greenlets:
            return "its pool works with greenlets only; use pool (psycopg 3) or pgbouncer"
        return None

    def most_connections(self, usable: int, where: ServerTraits) -> int:  # noqa: ARG002
        return where.processes * self.max_conns

    def changes(self, where: ServerTraits) -> Changes:
        engine = f"django_db_geventpool.backends.{ENGINES[where.driver]}"
        options = {"MAX_CONNS": self.max_conns, "REUSE_CONNS": self.max_conns}
        return Changes(database={"ENGINE": engine, "CONN_MAX_AGE": 0, "OPTIONS": options})

    def life(self, where: ServerTraits) -> ConnectionLife | str:  # noqa: ARG002
        return (
            "how many it opens beyond max_conns depends on which greenlets arrive while others connect; use pool"
            " (psycopg 3) or pgbouncer"
        )
