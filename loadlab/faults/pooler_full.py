"""Others take all clients that PgBouncer lets in, for a while: it turns new ones away."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.faults._refilling import FILL_SECONDS, Refilling
from loadlab.faults.base import Acts, Fault, FaultEffect, Need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext
    from loadlab.services.pgbouncer import Bouncer


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolerFull(Fault):
    """Clients of another database take what is left of max_client_conn, and what the target gives back."""

    acts: ClassVar[Acts] = "at_instant"
    lasting: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ("pooler",)

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: there is no PgBouncer, or it does not let others in.
        """
        if context.bouncer is None:
            raise EnvironmentFaultError("There is no PgBouncer between the target and PostgreSQL.")
        with ExitStack() as clients:
            _fill_up(context.bouncer, clients)
            with Refilling("pooler_full", partial(_refill, context.bouncer, clients)):
                yield FaultEffect()


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
