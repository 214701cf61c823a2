"""The thread's "lazy solution": keep connections in production, and not while developing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Changes, ServerTraits
from loadlab.strategies.base import Flag, MaxAge, Strategy, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class MaxAgeIfNotDebug(Strategy):
    """`CONN_MAX_AGE = 0 if settings.DEBUG else max_age`, with `debug` as the DEBUG that is tried."""

    proposed_by: ClassVar[str] = "Aymeric Augustin, 2013: 'the lazy solution'"
    gives_up: ClassVar[tuple[str, ...]] = (
        "asks the wrong question: whether connections leak depends on the server, not on DEBUG",
        "with DEBUG off it is CONN_MAX_AGE = max_age, with the same leaks",
    )
    variants: ClassVar[tuple[Variant, ...]] = (
        Variant(parameters={"debug": False}, usual_servers=True),  # max_age with a condition
        Variant(parameters={"debug": True}, usual_servers=True),
    )

    max_age: MaxAge = 600
    debug: Flag = False

    def changes(self, where: ServerTraits) -> Changes:  # noqa: ARG002
        age = 0 if self.debug else self.max_age
        return Changes(database={"CONN_MAX_AGE": age, "CONN_HEALTH_CHECKS": False}, values={"DEBUG": self.debug})
