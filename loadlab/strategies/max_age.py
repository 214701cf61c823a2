"""Django's own way: keep a connection for CONN_MAX_AGE seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Changes, ServerTraits
from loadlab.strategies.base import Flag, MaxAge, Strategy, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class MaxAgeStrategy(Strategy):
    """CONN_MAX_AGE in seconds: 0 closes at the end of each request, None never; with or without health checks."""

    proposed_by: ClassVar[str] = "Aymeric Augustin, 2013; in Django since 1.6"
    gives_up: ClassVar[tuple[str, ...]] = (
        "where a request has its own thread or greenlet, a kept connection is never found again, and leaks",
        "without health checks, a database restart fails one request for each connection kept",
    )
    variants: ClassVar[tuple[Variant, ...]] = (
        Variant(parameters={"max_age": 0}),
        Variant(parameters={"max_age": 600}),
        Variant(parameters={"max_age": None}, every_driver=True),  # the two end differently
    )

    max_age: MaxAge = 0
    conn_health_checks: Flag = False

    def changes(self, where: ServerTraits) -> Changes:  # noqa: ARG002  the same everywhere
        return Changes(database={"CONN_MAX_AGE": self.max_age, "CONN_HEALTH_CHECKS": self.conn_health_checks})
