"""PgBouncer between the project and PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from loadlab.model.bounds import Bounds
from loadlab.model.pooling import Pooling
from loadlab.model.strategy import Changes, ServerTraits
from loadlab.strategies.base import Count, MaxAge, Seconds, Strategy, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class PgBouncer(Strategy):
    """One PgBouncer with at most `pool_size` connections to PostgreSQL; CONN_MAX_AGE is that of the way to PgBouncer.

    `max_client_conn` and `query_wait_timeout_seconds` are what it refuses beyond.
    """

    proposed_by: ClassVar[str] = "Aymeric Augustin, 2013: 'an external pooler is the right solution'"
    gives_up: ClassVar[tuple[str, ...]] = (
        "one more service to run, and one more hop for each query",
        "transaction pooling: no session state (SET, advisory locks, LISTEN, temporary tables)",
        "transaction pooling: no server-side cursors outside a transaction, no prepared statements before 1.21",
        "session pooling: a client that keeps its connection keeps one of pool_size, and others wait",
        "with CONN_HEALTH_CHECKS a kept client may wait for query_wait_timeout twice in one request",
        "where kept connections leak, they leak into PgBouncer instead, up to max_client_conn",
    )
    variants: ClassVar[tuple[Variant, ...]] = (
        Variant(parameters={"pool_mode": "transaction", "max_age": 0}, usual_servers=True),
        Variant(parameters={"pool_mode": "transaction", "max_age": None}, usual_servers=True),
        Variant(parameters={"pool_mode": "session", "max_age": 0}, usual_servers=True),
    )

    pool_mode: Annotated[Literal["session", "transaction"], Bounds(description='"session" or "transaction"')] = (
        "transaction"
    )
    pool_size: Count = 5
    max_client_conn: Count = 500
    query_wait_timeout_seconds: Seconds = 10
    max_age: MaxAge = 0

    def changes(self, where: ServerTraits) -> Changes:  # noqa: ARG002
        cursors = self.pool_mode == "transaction"
        return Changes(database={"CONN_MAX_AGE": self.max_age, "DISABLE_SERVER_SIDE_CURSORS": cursors})

    def pooling(self) -> Pooling:
        return Pooling(
            pool_mode=self.pool_mode,
            pool_size=self.pool_size,
            max_client_conn=self.max_client_conn,
            query_wait_timeout_seconds=self.query_wait_timeout_seconds,
        )
