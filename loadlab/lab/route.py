"""The way from the target to PostgreSQL: straight, with added latency, through a pooler, or both."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loadlab.plan.members import build_strategy
from loadlab.services.pgbouncer import pgbouncer
from loadlab.services.scram_key import keyed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.faults import Fault, FaultContext
    from loadlab.model.config import Config
    from loadlab.services.database import Database
    from loadlab.services.pgbouncer import Bouncer


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """`database` is as the target reaches it; `trees` are the pids of what is in between, by the part they play.

    `environment` is what faults add to that of the target's processes, and `handle` what one has prepared.
    """

    database: Database
    bouncer: Bouncer | None
    trees: Mapping[str, int]
    environment: Mapping[str, str] = field(default_factory=dict)
    handle: object = None


@contextmanager
def routed(strategy: Config, faults: Sequence[Fault], context: FaultContext) -> Iterator[Route]:
    """Start what a strategy and faults put between target and database, until the context ends.

    Faults that act throughout are applied, others `prepared`.

    A pooler runs beside the application: faults act between it and PostgreSQL, and it has its own connections open
    when the application asks.

    Raises:
        EnvironmentFaultError: a program is missing, or does not start.
    """
    chosen = build_strategy(strategy)
    pooling = chosen.pooling()
    trees: dict[str, int] = {}
    environment: dict[str, str] = {}
    bouncer: Bouncer | None = None
    handle: object = None
    with ExitStack() as stack:
        for fault in faults:
            begin = fault.applied if fault.acts == "throughout" else fault.prepared
            effect = stack.enter_context(begin(context))
            context = replace(context, database=effect.database or context.database)
            trees |= effect.trees
            environment |= effect.environment
            handle = effect.handle or handle
        database = context.database
        if chosen.service:
            database = keyed(database, chosen.service, context.register.folder)
        if pooling is not None:
            log = context.log.with_suffix(".pgbouncer.log")
            bouncer = stack.enter_context(pgbouncer(pooling, database, context.register, context.register.folder, log))
            database, trees["pooler"] = bouncer.database, bouncer.pid
        yield Route(database=database, bouncer=bouncer, trees=trees, environment=environment, handle=handle)
