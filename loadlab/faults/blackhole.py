"""A black hole: packets vanish, and neither side is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.faults._network import NetworkFault
from loadlab.faults.base import Need  # noqa: TC001  pydantic evaluates all annotations


@dataclass(frozen=True, kw_only=True, slots=True)
class Blackhole(NetworkFault):
    """No packet arrives at either end: no RST, no FIN, no ACK, and no answer to a SYN.

    The kernel drops them before TCP sees them, so the timeouts of TCP and libpq act as over a network that is gone.
    """

    needs: ClassVar[tuple[Need, ...]] = ("linux",)

    def command(self) -> tuple[object, ...]:
        return ("vanish",)
