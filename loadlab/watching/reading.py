"""One look at a project's /metrics, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasReading:
    """What /metrics says of one database alias; counters since their process's books began."""

    open: float = 0.0
    opened: float = 0.0
    closed: dict[str, float] = field(default_factory=dict)
    requests: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    connects: float = 0.0
    connect_seconds: float = 0.0
    pool: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """At the monotonic time `at`; `sessions` and `backends` are PostgreSQL's own, where it was asked."""

    at: float
    aliases: dict[str, AliasReading]
    sessions: int | None = None
    backends: int | None = None
