"""Others take all of PostgreSQL's free connections for a while: those that are open stay, and no more can be opened."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

from loadlab.faults._refilling import FILL_SECONDS, Refilling
from loadlab.faults.base import Acts, Fault, FaultEffect, Need
from loadlab.model.bounds import Bounds
from loadlab.services.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionsExhausted(Fault):
    """Other clients leave `free` connections, and take what the target gives back. When they go, all are free again."""

    acts: ClassVar[Acts] = "at_instant"
    lasting: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ("own_postgresql",)

    free: Annotated[int, Bounds(ge=0, le=10_000)] = 0

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: connections become free for ever.
        """
        with Slots(context.database) as slots:
            slots.hold_all_but(self.free, FILL_SECONDS, exactly=False)
            with Refilling("connections_exhausted", partial(slots.take_all_but, self.free)):
                yield FaultEffect()
