"""What a strategy wants of PgBouncer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Pooling:
    """One PgBouncer for the target's database; times in seconds, 0 meaning no limit of time."""

    pool_mode: Literal["session", "transaction"]
    pool_size: int
    max_client_conn: int
    query_wait_timeout_seconds: float
