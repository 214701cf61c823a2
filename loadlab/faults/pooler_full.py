"""Others take all that PgBouncer has to give for a while: clients that it lets in, or its connections to PostgreSQL."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.faults._refilling import FILL_SECONDS, Refilling
from loadlab.faults.base import Acts, Fault, FaultEffect, Need
from loadlab.services.pool_slots import PoolSlots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext
    from loadlab.services.pgbouncer import Bouncer


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolerFull(Fault):
    """Which `limit` of PgBouncer is reached.

    "max_client_conn": clients of another database take what is left, and what the target gives back; new ones are
    turned away. "default_pool_size": clients of the target's pool sit in transactions on all connections to PostgreSQL
    that the target gives back; it waits, for query_wait_timeout at most. Their waits are in the pooler's, and no other
    count has them.
    """

    acts: ClassVar[Acts] = "at_instant"
    lasting: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ("pooler",)

    limit: Literal["max_client_conn", "default_pool_size"] = "max_client_conn"

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: there is no PgBouncer, or it does not let others in.
        """
        if context.bouncer is None:
            raise EnvironmentFaultError("There is no PgBouncer between the target and PostgreSQL.")
        full = _without_clients if self.limit == "max_client_conn" else _without_servers
        with full(context.bouncer):
            yield FaultEffect()


@contextmanager
def _without_servers(bouncer: Bouncer) -> Iterator[None]:
    with PoolSlots(bouncer) as slots:
        slots.hold_all(FILL_SECONDS)
        with Refilling("pooler_full", slots.go_on):
            yield


@contextmanager
def _without_clients(bouncer: Bouncer) -> Iterator[None]:
    with ExitStack() as clients:
        _fill_up(bouncer, clients)
        with Refilling("pooler_full", partial(_refill, bouncer, clients)):
            yield


def _fill_up(bouncer: Bouncer, clients: ExitStack) -> None:
    deadline = time.monotonic() + FILL_SECONDS
    while bouncer.judge.free() > 0:
        if time.monotonic() > deadline:
            raise EnvironmentFaultError(f"PgBouncer was not full after {FILL_SECONDS:g} s: the target was faster.")
        with suppress(psycopg2.OperationalError):  # the target was, this time
            _fill(bouncer, clients)


def _fill(bouncer: Bouncer, clients: ExitStack) -> None:
    """Take what is free now. No more is asked for: a refusal would count as one of the target's."""
    database = bouncer.database
    dsn = make_dsn(**{"connect_timeout": "5", **database.parameters, "dbname": database.observer_name})
    for _ in range(bouncer.judge.free()):
        clients.callback(psycopg2.connect(dsn).close)


def _refill(bouncer: Bouncer, clients: ExitStack) -> None:
    with suppress(psycopg2.OperationalError, EnvironmentFaultError):  # the target was faster
        _fill(bouncer, clients)
