"""The database accepts new connections late, as one does whose queue of them is long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from loadlab.faults._network import NetworkFault
from loadlab.model.bounds import Bounds


@dataclass(frozen=True, kw_only=True, slots=True)
class SlowAccept(NetworkFault):
    """Each new connection waits `accept_seconds` longer until the database sees it; those that are open are as before.

    To connect succeeds at once, as it does while the queue of the database has room: the kernel answers for it.
    """

    accept_seconds: Annotated[float, Bounds(gt=0, le=600, finite=True, description="seconds, more than 0")]

    def command(self) -> tuple[object, ...]:
        return ("accept", self.accept_seconds)
