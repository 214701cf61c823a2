"""What one look at a project's /metrics says, as numbers."""

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
class Scraped:
    """All aliases by name, and how many requests were answered; None where the project does not count them."""

    aliases: dict[str, AliasReading]
    requests: float | None = None
