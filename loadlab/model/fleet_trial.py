"""What was seen of a small fleet that was run: its figures, and what explains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loadlab.model.fleet import Outage, ProcessesEnd
from loadlab.model.fleet_validation import Configuration, FleetFigures
from loadlab.model.uses import NewProcesses


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetTrial:
    """A configuration, and what was seen of it. Times are in seconds since the load began.

    `at` are the samples, and `open` PostgreSQL's backends at each: 0 while it does not let anybody in, which were
    `away` samples. `ends` and `outages` are the planned events as they really came. `boot_seconds` is how long each
    host's first server took until it was ready; they boot side by side. `opened_at_boot` sessions were opened before
    the load, and `opened_by_hosts` connections during it. The hosts count `connect_errors` by kind and `closed` by
    reason, and the clients count `failures` by kind.

    The model knows nothing of a machine with too much to do: `busy` is what share of all its cores worked before each
    sample, and `late_seconds` the 99th percentile of how late requests were sent. `new_processes` says what the first
    requests of all processes met, None without any.
    """

    configuration: Configuration
    figures: FleetFigures
    at: tuple[float, ...]
    open: tuple[int, ...]
    away: int = 0
    ends: tuple[ProcessesEnd, ...] = ()
    outages: tuple[Outage, ...] = ()
    boot_seconds: tuple[float, ...] = ()
    opened_at_boot: int = 0
    opened_by_hosts: int = 0
    connect_errors: Mapping[str, int] = field(default_factory=dict)
    closed: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    busy: tuple[float, ...] = ()
    late_seconds: float = 0.0
    new_processes: NewProcesses | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A lab that runs small fleets is open, on these versions."""

    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigurationResult:
    """A configuration that was run, from `began` in seconds since 1970; without a trial, `error` says why."""

    number: int
    began: float
    trial: FleetTrial | None = None
    error: str = ""
