"""Does to a small fleet what is planned, by the clock of its load, and notes when each step really came."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.fleets.hosts import boot_all, end_all
from loadlab.lab.settling import sleep_until
from loadlab.model.fleet import Outage, ProcessesEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadlab.lab.fleets.balancing import Balancing
    from loadlab.lab.fleets.hosts import ServedHost
    from loadlab.lab.observer import Observer
    from loadlab.model.fleet_validation import PlannedEvent

DRAIN_SECONDS: Final = 15.0  # for the requests that a host still has
OVERLAP_SECONDS: Final = 2.0  # between the switch to the new hosts of a blue/green deployment and the end of the old


@dataclass(slots=True)
class FleetEvents:
    """The events of one load, which began at `origin` of the monotonic clock.

    `ends` and `outages` are what has come of them so far, in seconds since then.
    """

    hosts: Sequence[ServedHost]
    balancer: Balancing
    observer: Observer
    origin: float
    ends: list[ProcessesEnd] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)

    def carry_out(self, planned: Sequence[PlannedEvent]) -> None:
        """Do all of them, each when it is due or as soon as those before it are over.

        Raises:
            EnvironmentFaultError: a host, or PostgreSQL, does not come back.
        """
        actions: Mapping[str, Callable[[], None]] = {
            "rolling_deployment": self.rolling_deployment,
            "blue_green": self.blue_green,
            "database_restart": self.database_restart,
        }
        for event in sorted(planned, key=lambda event: event.at):
            sleep_until(self.origin + event.at)
            actions[event.kind]()

    def rolling_deployment(self) -> None:
        for host in self.hosts:
            self.balancer.rotate(other.port for other in self.hosts if other is not host)
            left = self._now
            self._drain(host.port)
            host.taken_off()()
            gone = self._now
            boot_all([host])
            self.rotate_all()
            self._ended(host, at=left, serving_again=self._now, gone=gone)

    def blue_green(self) -> None:
        old = {host.port: host.taken_off() for host in self.hosts}
        boot_all(self.hosts)
        self.rotate_all()
        switched = self._now
        sleep_until(self.origin + switched + OVERLAP_SECONDS)
        for port in old:
            self._drain(port)
        end_all(list(old.values()))
        gone = self._now
        for host in self.hosts:
            self._ended(host, at=switched, serving_again=switched, gone=gone)

    def database_restart(self) -> None:
        restart = self.observer.database.restart
        if restart is None:
            raise EnvironmentFaultError("Only a PostgreSQL that is loadlab's own can be restarted.")
        start = self._now
        restart()
        self.outages.append(Outage(start=start, end=self._now, first=0, last=len(self.hosts)))
        self.observer.restore()

    def rotate_all(self) -> None:
        self.balancer.rotate(host.port for host in self.hosts)

    @property
    def _now(self) -> float:
        return time.monotonic() - self.origin

    def _drain(self, port: int) -> None:
        if not self.balancer.drained(port, DRAIN_SECONDS):
            raise EnvironmentFaultError(f"The server on port {port} still had requests after {DRAIN_SECONDS:g} s.")

    def _ended(self, host: ServedHost, *, at: float, serving_again: float, gone: float) -> None:
        first = host.number
        self.ends.append(ProcessesEnd(at=at, first=first, last=first + 1, serving_again=serving_again, gone=gone))
