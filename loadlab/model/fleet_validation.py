"""The shapes of a validation: a small fleet that is predicted, then run on real servers, and both compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from loadlab.model.config import Config
    from loadlab.model.fleet import Balance, Outage, ProcessesEnd

SAMPLE_SECONDS: Final = 0.1  # between two samples of what is open, in reality and in the model


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedEvent:
    """What is done to the small fleet, `at` seconds after its load began.

    "rolling_deployment" replaces the master of one host after the other: it leaves the rotation, ends its requests,
    ends, and a new one takes its place. "blue_green" starts new masters for all hosts, sends them all requests, and
    ends the old ones 2 s later. "database_restart" is a fast restart of PostgreSQL.
    """

    kind: Literal["rolling_deployment", "blue_green", "database_restart"]
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """A small fleet: `hosts` masters of one server mode on loopback behind one balancer, under a Poisson load.

    `rate` is for all hosts together. Requests are due at the instants that the load generator makes of `rate` and
    `seed` (`loadlab.load.locust_plugins.arrivals`). Each comes on a new connection of its client.
    """

    number: int
    seed: int
    hosts: int
    server: Config
    strategy: Config
    rate: float
    seconds: float
    max_connections: int
    balance: Balance = "random"
    events: tuple[PlannedEvent, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetFigures:
    """What is predicted, and what is counted: from the start of the load until its end.

    `opened` are PostgreSQL's sessions; `mean_open` and `p99_open` are over samples of its backends every 0.1 s.
    `reused` and `refused` are requests, of `requests` in all; `failed` are other failures. `gaps` are mismatches with
    PostgreSQL's own count, and whatever else makes a figure doubtful; empty is exact.

    `ends` and `outages` are what was seen of the configuration's events, in the terms of the model: from here a miss is
    predicted again with what really happened.
    """

    opened: float
    mean_open: float
    p99_open: float
    requests: float
    reused: float
    refused: float
    failed: float
    gaps: tuple[str, ...] = ()
    ends: tuple[ProcessesEnd, ...] = ()
    outages: tuple[Outage, ...] = ()
