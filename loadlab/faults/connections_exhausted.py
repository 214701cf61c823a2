"""Others take all of PostgreSQL's free connections for a while: whoever has one keeps it, and no one gets a new one."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import psycopg2

from loadlab.faults.base import Acts, Fault, FaultEffect, Need
from loadlab.model.bounds import Bounds
from loadlab.services.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext

FILL_SECONDS: Final = 30.0
REFILL_SECONDS: Final = 0.01


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
            with _kept_full(slots, self.free):
                yield FaultEffect()


@contextmanager
def _kept_full(slots: Slots, free: int) -> Iterator[None]:
    """Take what becomes free meanwhile, as clients that wait for it do."""
    over = threading.Event()

    def refill() -> None:
        with suppress(psycopg2.Error):
            while not over.wait(REFILL_SECONDS):
                slots.take_all_but(free)

    thread = threading.Thread(target=refill, name="connections_exhausted", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
