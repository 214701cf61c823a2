"""The primary is lost, and its standby takes over at another address."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from loadlab.errors import EnvironmentFaultError
from loadlab.faults.base import BY_A_FAULT, NOTHING, Acts, Fault, FaultEffect, Need
from loadlab.model.bounds import Bounds
from loadlab.model.causes import Cause
from loadlab.model.planned_fault import Bound
from loadlab.services.proxy_handle import ProxyHandle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseFailover(Fault):
    """The primary is lost with its connections, and new ones are refused. After `detection_seconds` its standby, which
    follows by PostgreSQL's streaming replication, is promoted, and the proxy in front leads there. It remains.
    """

    acts: ClassVar[Acts] = "at_instant"
    needs: ClassVar[tuple[Need, ...]] = ("own_postgresql",)
    expected: ClassVar[frozenset[Cause]] = BY_A_FAULT | {Cause.NOT_OBSERVED}
    bound: ClassVar[Bound | None] = Bound.ONE_PER_CONNECTION
    through_proxy: ClassVar[bool] = True

    detection_seconds: Annotated[
        float, Bounds(ge=0, le=600, finite=True, description="seconds until the loss is noticed, 0 to 600")
    ] = 0.0

    @contextmanager
    def prepared(self, context: FaultContext) -> Iterator[FaultEffect]:
        if context.database.followed is None:
            yield NOTHING
            return
        with context.database.followed():
            yield NOTHING

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: the database is not loadlab's own, or its standby does not take over.
        """
        if context.fail_over_database is None or not isinstance(context.handle, ProxyHandle):
            raise EnvironmentFaultError("Only a PostgreSQL that is loadlab's own has a standby to fail over to.")
        with context.handle.during("cut"):
            promoted = context.fail_over_database(detection_seconds=self.detection_seconds)
            context.handle.lead(int(promoted.observer["port"]))
        yield FaultEffect()
