"""What is counted otherwise in a trial with a fault: sessions, and connections that have lost their other end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.lab.abandoned import clients_gone, held
from loadlab.lab.left_behind import left_behind, of_connections
from loadlab.lab.liveness import owners_of
from loadlab.probes.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadlab.lab.served_site import ServedSite
    from loadlab.lab.target import Sample
    from loadlab.model.counts import ConnectionCounts
    from loadlab.model.planned_fault import PlannedFault
    from loadlab.probes import ProbeContext


@dataclass(frozen=True, slots=True)
class Disturbed:
    """A trial's `fault`, if it has one; `opened` counts its sessions where PostgreSQL's statistics may be lost."""

    fault: PlannedFault | None = None
    opened: Callable[[], int] | None = None

    def left_behind(self, site: ServedSite, counts: ConnectionCounts, missing: int) -> int:
        """Of the connections that the site holds beyond its sessions, those that only a fault can have ended."""
        if self.fault is None or missing <= 0:
            return 0
        sockets = left_behind(owners_of(site.ledgers), site.route.database)
        return of_connections(sockets, missing, sum(counts.connect_errors.values()))

    def abandoned(self, site: ServedSite, counts: ConnectionCounts, unknown: int) -> int:
        """Of the `unknown` sessions that PostgreSQL has beyond the target's, those of clients gone or given up.

        Only a fault of the network leaves any. No more have been given up than attempts to connect have failed.
        """
        proxy = site.route.trees.get("proxy")
        if self.fault is None or proxy is None or unknown <= 0:
            return 0
        gone = clients_gone(proxy)
        if site.route.bouncer is not None:
            return gone
        beyond = held(owners_of(site.ledgers), site.route.database) - counts.open
        return gone + max(0, min(unknown - gone, beyond, sum(counts.connect_errors.values())))

    def sessions(self, context: ProbeContext, before: Sample) -> Mapping[str, float]:
        """As PostgreSQL's statistics have them, or as its log has."""
        if self.opened is None:
            return Sessions().read(context)
        return {**before.values, "sessions": (before.sessions or 0) + self.opened()}
