"""What a strategy wants of a pool: of PgBouncer, or of one in each process."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessPool:
    """Django's own pool of each process: `smallest` to `largest` connections, `timeout` to wait for one.

    psycopg's pool closes an idle one beyond `smallest` after `max_idle`, and each after about `max_lifetime`.
    """

    smallest: int
    largest: int
    timeout: float
    max_idle: float = 600.0
    max_lifetime: float = 3600.0
