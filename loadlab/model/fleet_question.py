"""What `fleet.toml` asks: how many hosts, how they serve, what is compared, under which traffic and which events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from loadlab.model.bounds import STRICT, Before, Bounds
from loadlab.model.fleet import Balance, DatabaseLimits
from loadlab.model.plan import Several

HOUR = 3600.0


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


Milliseconds = Annotated[float, Bounds(ge=0, le=600_000, finite=True, description="milliseconds, 0 or more")]
Times = Annotated[list[Milliseconds], Bounds(min_length=1), Before(_as_list)]
Milli = Annotated[float, Bounds(gt=0, le=600_000, finite=True, description="milliseconds, more than 0")]
Parameters = dict[str, Several]


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenApplication:
    """What the model has to know of a project, estimated and not measured.

    `connect_ms` is one opening, `hold_ms` how long a request holds its connection: one value, or a list of equally
    likely ones. CPU times are in milliseconds. A figure that is left out is left out of the answer.
    `database_cpu_ms_per_request` is accepted in files of users, and no figure depends on it.
    """

    __pydantic_config__ = STRICT

    connect_ms: Times
    hold_ms: Times
    app_cpu_ms_per_connect: Milli | None = None
    database_cpu_ms_per_connect: Milli | None = None
    app_cpu_ms_per_request: Milli | None = None
    database_cpu_ms_per_request: Milli | None = None
    idle_backend_mb: Annotated[float, Bounds(gt=0, le=100_000, finite=True)] | None = None
    client_connection_mb: Annotated[float, Bounds(ge=0, le=100_000, finite=True)] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetQuestion:
    """A declared fleet, as its file has it.

    `hosts` alike serve for `hours`, or for `seconds`; without both, for as long as the traffic has it. `server` is one
    server mode with one value of each parameter; `strategies` are compared, with lists swept, as in a plan. `traffic`
    is one member of that family, for the whole fleet; `events` are members of theirs, each one table or a list of
    tables. `balance` is how a load balancer shares requests out. With a `pooler` "shared", the fleet has one PgBouncer,
    else one on each host. The simulation is repeated `repeats` times from `seed`;
    without a number, as often as is soon done.

    The application is measured by a `run` (its folder) or a `watch` (the file of `loadlab watch --json`), each
    relative to the file, or it is estimated in `application`.
    """

    __pydantic_config__ = STRICT

    hosts: Annotated[int, Bounds(ge=1, le=100_000)] = 1
    hours: Annotated[float, Bounds(gt=0, le=10_000, finite=True)] | None = None
    seconds: Annotated[float, Bounds(gt=0, le=10_000 * HOUR, finite=True)] | None = None
    server: Annotated[dict[str, Parameters], Bounds(min_length=1)]
    strategies: Annotated[dict[str, Parameters], Bounds(min_length=1)]
    traffic: Annotated[dict[str, Parameters], Bounds(min_length=1)]
    events: dict[str, Parameters | list[Parameters]] = field(default_factory=dict)
    database: DatabaseLimits = field(default_factory=DatabaseLimits)
    pooler: Literal["per_host", "shared"] = "per_host"
    balance: Balance = "random"
    driver: Literal["psycopg2", "psycopg"] = "psycopg"
    repeats: Annotated[int, Bounds(ge=2, le=1000)] | None = None
    seed: Annotated[int, Bounds(ge=0)] = 2013
    run: str | None = None
    watch: str | None = None
    application: GivenApplication | None = None

    @property
    def duration(self) -> float | None:
        """In seconds; None for the traffic's own."""
        return self.seconds if self.hours is None else self.hours * HOUR
