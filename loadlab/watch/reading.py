"""One look at a project that is watched: its metrics, beside PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.scraped import AliasReading


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """At the monotonic time `at`; `sessions` and `backends` are PostgreSQL's own, where it was asked.

    `hosts` has the parts of each alias where one exposition holds several hosts; `answered` is how many requests the
    site has answered, over all routes, where it counts them.
    """

    at: float
    aliases: dict[str, AliasReading]
    sessions: int | None = None
    backends: int | None = None
    hosts: Mapping[str, Mapping[str, AliasReading]] = field(default_factory=dict)
    answered: float | None = None

    def of(self, alias: str) -> Mapping[str, AliasReading]:
        """Each host's part of an alias; empty where it is not in the exposition."""
        parts = self.hosts.get(alias)
        if parts:
            return parts
        return {"": self.aliases[alias]} if alias in self.aliases else {}
