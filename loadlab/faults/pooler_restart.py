"""PgBouncer restarts: every client loses its connection, and it serves again at the same address."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loadlab.errors import EnvironmentFaultError
from loadlab.faults.base import BY_A_FAULT, Acts, Fault, FaultEffect, Need
from loadlab.model.causes import Cause
from loadlab.model.planned_fault import Bound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolerRestart(Fault):
    """PgBouncer is killed, and a new one started on its port: none of its connections outlives it, on either side."""

    acts: ClassVar[Acts] = "at_instant"
    needs: ClassVar[tuple[Need, ...]] = ("pooler",)
    expected: ClassVar[frozenset[Cause]] = BY_A_FAULT | {Cause.NOT_OBSERVED, Cause.PROCESS_LOST}
    bound: ClassVar[Bound | None] = Bound.ONE_PER_CONNECTION

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: there is none, or it does not come up again.
        """
        if context.bouncer is None:
            raise EnvironmentFaultError("There is no PgBouncer between the target and PostgreSQL.")
        context.bouncer.restart()
        yield FaultEffect()
