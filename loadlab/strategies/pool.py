"""Django's own pool: close() gives the connection back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.pooling import ProcessPool
from loadlab.model.strategy import Changes, ConnectionLife, ServerTraits
from loadlab.strategies.base import Count, Flag, Seconds, Strategy, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool(Strategy):
    """psycopg's pool: `min_size` to `max_size` connections per process, `timeout_seconds` to wait for one."""

    proposed_by: ClassVar[str] = "Anssi Kääriäinen and Shai Berger, 2013; in Django since 5.1"
    gives_up: ClassVar[tuple[str, ...]] = (
        "needs psycopg 3 and Django 5.1 or newer",
        "opens min_size connections per process at once, used or not",
        "requests beyond max_size wait, and fail after the timeout",
        "a thread that ends without close() takes its connection of the pool for ever; close_on_thread_exit settles it",
        "with health checks, a request waits 1 s, then 2, 4, …, for each lost connection that it meets after the first",
    )
    packages: ClassVar[tuple[str, ...]] = ("psycopg-pool",)
    refused: ClassVar[Mapping[str, str]] = {
        "max_age": "Django refuses a pool together with persistent connections; leave it out: the pool keeps them"
    }
    # How far another one has grown depends on who had to wait.
    variants: ClassVar[tuple[Variant, ...]] = (Variant(parameters={"min_size": 4, "max_size": 4}),)

    min_size: Count = 1
    max_size: Count = 4
    timeout_seconds: Seconds = 30
    conn_health_checks: Flag = False

    def __post_init__(self) -> None:
        if self.min_size > self.max_size:
            raise ValueError(f"min_size {self.min_size} is more than max_size {self.max_size}")

    def incompatible(self, where: ServerTraits) -> str | None:
        if where.driver == "psycopg2":
            return 'the pool needs psycopg 3; use driver = "psycopg", or pgbouncer, or geventpool under gevent'
        if where.in_event_loop:
            return (
                "a request that waits for the pool stops the event loop, so no other can give its connection back; use"
                " max_age with 0, or pgbouncer"
            )
        if not where.closes_responses:
            return (
                "the server closes no response, so no connection goes back to the pool; use max_age, or another server"
            )
        return None

    def most_connections(self, usable: int, where: ServerTraits) -> int:  # noqa: ARG002  what it opens it holds
        return where.processes * self.max_size

    def changes(self, where: ServerTraits) -> Changes:  # noqa: ARG002
        sizes = {"min_size": self.min_size, "max_size": self.max_size, "timeout": self.timeout_seconds}
        return Changes(
            database={"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": self.conn_health_checks, "OPTIONS": {"pool": sizes}}
        )

    def life(self, where: ServerTraits) -> ConnectionLife:  # noqa: ARG002
        pool = ProcessPool(smallest=self.min_size, largest=self.max_size, timeout=self.timeout_seconds)
        return ConnectionLife(max_age=0, health_checks=self.conn_health_checks, pool=pool)
