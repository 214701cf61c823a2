"""Counts a small fleet from both ends: its hosts' ledgers, what is in between, and PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.lab.settling import Patience, settled
from loadlab.model.counts import ConnectionCounts, Mismatch, PoolerCounts, SideCounts, reconcile, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.lab.fleets.hosts import ServedHost
    from loadlab.lab.lab import Lab

PATIENCE: Final = Patience(seconds=5.0, poll_seconds=0.02)  # a backend that is idle may be late with its report


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetSample:
    """All sides at one instant: the hosts' `counts`, PostgreSQL's, and the poolers' together where there are any.

    Everything is since before the first host was booted.
    """

    counts: ConnectionCounts
    sessions: int
    backends: int
    pooler: PoolerCounts | None

    def mismatches(self, *, lost: bool) -> tuple[Mismatch, ...]:
        """What the sides do not agree on; with connections that were `lost` not on what is open."""
        ours = SideCounts(opened=self.counts.opened, open=None if lost else self.counts.open)
        return reconcile(ours, SideCounts(opened=self.sessions, open=None if lost else self.backends), self.pooler)


@dataclass(frozen=True, slots=True)
class FleetCounter:
    """Counts the target of a lab, which had `before` sessions before the first of its `hosts` was booted."""

    lab: Lab
    before: tuple[int, float]
    hosts: Sequence[ServedHost]

    def now(self) -> FleetSample:
        poolers = [host.pooler.counts() for host in self.hosts if host.pooler]
        judge = self.lab.judge
        return FleetSample(
            counts=total(host.counts() for host in self.hosts),
            sessions=judge.sessions()[0] - self.before[0],
            backends=judge.open_now(),
            pooler=_together(poolers) if poolers else None,
        )

    def at_rest(self, *, lost: bool = False) -> FleetSample:
        """Once all sides agree and stay as they are; as they are when the time is up.

        Connections that were `lost` are open to their hosts until they are used.
        """

        def agree(seen: FleetSample) -> bool:
            return not (seen.mismatches(lost=lost) or seen.counts.unsettled)

        return settled(self.now, agree, PATIENCE)

    def reset(self) -> bool:
        """Whether PostgreSQL's statistics began anew since: then its sessions cannot be compared."""
        return self.lab.judge.sessions()[1] != self.before[1]


def _together(poolers: Sequence[PoolerCounts]) -> PoolerCounts:
    return PoolerCounts(
        clients_opened=sum(one.clients_opened for one in poolers),
        clients_open=sum(one.clients_open for one in poolers),
        servers_opened=sum(one.servers_opened for one in poolers),
        servers_open=sum(one.servers_open for one in poolers),
        waited_seconds=sum(one.waited_seconds for one in poolers),
        refused=sum(one.refused for one in poolers),
        clients_cut_off=sum(one.clients_cut_off for one in poolers),
        servers_cut_off=sum(one.servers_cut_off for one in poolers),
    )
