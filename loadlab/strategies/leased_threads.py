"""Persistent connections under ASGI: each request leases one of a few threads that live on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Changes, ConnectionLife, ServerTraits
from loadlab.strategies.base import Count, MaxAge, Strategy, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class LeasedThreads(Strategy):
    """CONN_MAX_AGE as `max_age`; synchronous code of a request runs in one of `threads` threads of its process."""

    proposed_by: ClassVar[str] = "new here; possible since asgiref 3.13"
    gives_up: ClassVar[tuple[str, ...]] = (
        "at most `threads` requests are under way per process: others wait their turn",
        "for synchronous code: views that query from thread_sensitive=False are not covered",
    )
    variants: ClassVar[tuple[Variant, ...]] = (Variant(parameters={"threads": 4}),)  # fewer than clients

    max_age: MaxAge = 60
    threads: Count = 8

    def incompatible(self, where: ServerTraits) -> str | None:
        if not where.asgi:
            return (
                "only under ASGI can an application choose the thread of a request; use max_age with gthread, or pool"
            )
        return None

    def most_connections(self, usable: int, where: ServerTraits) -> int:  # noqa: ARG002  idle threads keep theirs
        return where.processes * self.threads

    def changes(self, where: ServerTraits) -> Changes:  # noqa: ARG002
        return Changes(
            database={"CONN_MAX_AGE": self.max_age, "CONN_HEALTH_CHECKS": False},
            values={"LOADLAB_FIXES": {"leased_threads": {"threads": self.threads}}},
            asgi_wrapper="loadlab.fixes.leased_threads:leased_threads",
        )

    def life(self, where: ServerTraits) -> ConnectionLife:  # noqa: ARG002
        return ConnectionLife(max_age=self.max_age, threads=self.threads)
