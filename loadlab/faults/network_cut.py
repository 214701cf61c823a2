"""A cut of the network: connections are reset, and new ones are refused while it lasts."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.faults._network import NetworkFault


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkCut(NetworkFault):
    """Both ends of every connection get a reset (RST), as from a firewall that forgets its connections.

    A new connection is refused until the fault is lifted: meanwhile more fails than what was kept, so no bound holds.
    """

    def command(self) -> tuple[object, ...]:
        return ("cut",)
