"""The way from the target to PostgreSQL: straight, over a distance, through a pooler, or both."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.plan.members import build_strategy
from loadlab.services.added_latency import added_latency
from loadlab.services.pgbouncer import pgbouncer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from loadlab.model.config import Config
    from loadlab.services.database import Database
    from loadlab.services.pgbouncer import Bouncer
    from loadlab.system.processes import Register


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """`database` is as the target reaches it; `trees` are the pids of what is in between, by the part they play."""

    database: Database
    bouncer: Bouncer | None
    trees: Mapping[str, int]


@contextmanager
def routed(
    strategy: Config, round_trip_ms: float, database: Database, register: Register, log: Path
) -> Iterator[Route]:
    """What a strategy needs between target and database, for as long as the context lasts.

    A pooler stands beside the application: the distance is between it and PostgreSQL, and it has its own connections
    open when the application asks. Logs go beside `log`.

    Raises:
        EnvironmentFaultError: a program is missing, or does not start.
    """
    pooling = build_strategy(strategy).pooling()
    trees: dict[str, int] = {}
    bouncer: Bouncer | None = None
    with ExitStack() as stack:
        if round_trip_ms:
            far = stack.enter_context(added_latency(database, round_trip_ms, register, log.with_suffix(".proxy.log")))
            database, trees["proxy"] = far.database, far.pid
        if pooling is not None:
            bouncer = stack.enter_context(
                pgbouncer(pooling, database, register, register.folder, log.with_suffix(".pgbouncer.log"))
            )
            database, trees["pooler"] = bouncer.database, bouncer.pid
        yield Route(database=database, bouncer=bouncer, trees=trees)
