"""One look at a project that is watched: its metrics, beside PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadlab.model.scraped import AliasReading


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """At the monotonic time `at`; `sessions` and `backends` are PostgreSQL's own, where it was asked."""

    at: float
    aliases: dict[str, AliasReading]
    sessions: int | None = None
    backends: int | None = None
