"""django-async-backend: connections of the event loop's own, from a pool of each process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.pooling import ProcessPool
from loadlab.model.strategy import Changes, ConnectionLife, ServerTraits
from loadlab.strategies.base import Count, Flag, Seconds, Strategy, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class AsyncBackend(Strategy):
    """Queries of `async_connections` run in the event loop; `pooled`, or on a connection for each request."""

    proposed_by: ClassVar[str] = "a third-party package, since 2025"
    gives_up: ClassVar[tuple[str, ...]] = (
        "needs Django 6 and Python 3.12, and a release of the package for each release of Django",
        "views must use its own connections or managers; Django's ORM goes on in threads, as ever",
        "changes ENGINE to a third party's",
        "a client that goes away while a request waits for the pool may take a connection of it for ever",
    )
    packages: ClassVar[tuple[str, ...]] = ("django-async-backend", "psycopg-pool")
    refused: ClassVar[Mapping[str, str]] = {
        "max_age": "the package closes connections with their request; a pool keeps them: set pooled = true"
    }
    # The record is of one set of versions for all, and of a Django that it does not work with.
    variants: ClassVar[tuple[Variant, ...]] = ()

    pooled: Flag = True
    min_size: Count = 1
    max_size: Count = 4
    timeout_seconds: Seconds = 30

    def __post_init__(self) -> None:
        if self.min_size > self.max_size:
            raise ValueError(f"min_size {self.min_size} is more than max_size {self.max_size}")

    def incompatible(self, where: ServerTraits) -> str | None:
        if not where.asgi:
            return "its connections live in an event loop that lives on, which only ASGI has; use pool or max_age"
        if where.driver == "psycopg2":
            return 'it needs psycopg 3; use driver = "psycopg"'
        return None

    def most_connections(self, usable: int, where: ServerTraits) -> int:
        return where.processes * self.max_size if self.pooled else usable

    def changes(self, where: ServerTraits) -> Changes:  # noqa: ARG002
        sizes = {"min_size": self.min_size, "max_size": self.max_size, "timeout": self.timeout_seconds}
        return Changes(
            database={
                "ENGINE": "django_async_backend.db.backends.postgresql",
                "CONN_MAX_AGE": 0,
                "OPTIONS": {"pool": sizes} if self.pooled else {},
            },
            values={"ASYNC_BACKEND_DISABLE_POOL_WARNING": True},
            apps=("django_async_backend",),
        )

    def life(self, where: ServerTraits) -> ConnectionLife:  # noqa: ARG002
        pool = ProcessPool(smallest=self.min_size, largest=self.max_size, timeout=self.timeout_seconds)
        return ConnectionLife(max_age=0, pool=pool if self.pooled else None)
