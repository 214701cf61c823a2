"""Keep connections, and replace each worker after so many requests: what it has leaked ends with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Changes, ConnectionLife, ServerTraits
from loadlab.strategies.base import Count, MaxAge, Strategy, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class RecycleWorkers(Strategy):
    """CONN_MAX_AGE as `max_age`; the server replaces a worker once it has had `max_requests` requests."""

    proposed_by: ClassVar[str] = "gunicorn's documentation of max_requests, against leaks of memory"
    gives_up: ClassVar[tuple[str, ...]] = (
        "each new worker loads the project, and opens its connections anew",
        "uvicorn and hypercorn lose requests when they replace a worker; gunicorn's own workers lose none",
        "it ends no leak, but bounds it: by max_requests for each worker",
    )
    # How many connections there are depends on the instants at which workers are replaced.
    variants: ClassVar[tuple[Variant, ...]] = ()

    max_age: MaxAge = None
    max_requests: Count = 500

    def incompatible(self, where: ServerTraits) -> str | None:
        if not where.recycle_option:
            return "the server replaces no worker by itself; use close_on_thread_exit, or max_age with 0"
        return None

    def changes(self, where: ServerTraits) -> Changes:
        return Changes(
            database={"CONN_MAX_AGE": self.max_age}, arguments=(where.recycle_option, str(self.max_requests))
        )

    def life(self, where: ServerTraits) -> ConnectionLife:  # noqa: ARG002
        return ConnectionLife(max_age=self.max_age, max_requests=self.max_requests)
