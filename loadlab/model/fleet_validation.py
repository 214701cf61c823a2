"""The shapes of a validation: a small fleet that is predicted, then run on real servers, and both compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from loadlab.model.config import Config
from loadlab.model.fleet import Balance, Outage, ProcessesEnd

SAMPLE_SECONDS: Final = 0.1  # between two samples of what is open, in reality and in the model
JUDGED: Final = ("opened", "mean_open", "p99_open", "reused", "refused")  # the figures that a validation compares
COUNTED: Final = (*JUDGED, "requests", "failed")


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
    `reused` and `refused` are requests, of `requests` in all; `failed` are other failures, and in no other figure.
    `gaps` are mismatches with PostgreSQL's own count, and all else that makes a figure doubtful; empty is exact.
    """

    opened: float
    mean_open: float
    p99_open: float
    requests: float
    reused: float
    refused: float
    failed: float
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What the model says of a configuration before it is run.

    `mean` is of `repeats` simulations, and nine in ten of them are between `low` and `high`, each figure by itself.
    """

    configuration: Configuration
    mean: FleetFigures
    low: FleetFigures
    high: FleetFigures
    repeats: int


Cause = Literal["short_load", "event_times", "busy_machine", "chance", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Miss:
    """A figure that was predicted too far from what was measured.

    `causes`: "event_times" where a prediction with the events as they were seen is near enough; "short_load" where
    fewer requests came than were due; "busy_machine" where its cores were all at work or requests were sent late;
    "chance" where simulations with the same input differ as much; else "unknown".
    `predicted_as_seen` is the prediction with the events as they were seen.
    """

    figure: str
    predicted: float
    measured: float
    predicted_as_seen: float
    causes: tuple[Cause, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationTrial:
    """One configuration: predicted, then run. `began` is when it was run, in seconds since 1970.

    `ends` and `outages` are its events as they really came, in seconds since the load began. `busy` is the share of all
    cores that were at work, and `late_seconds` how late requests were sent (99th percentile). Without `measured` it did
    not come to an end, and `error` says why.
    """

    number: int
    began: float
    measured: FleetFigures | None = None
    busy: float = 0.0
    late_seconds: float = 0.0
    ends: tuple[ProcessesEnd, ...] = ()
    outages: tuple[Outage, ...] = ()
    misses: tuple[Miss, ...] = ()
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """All predictions of a validation, and the trials that were run after them.

    `predicted_at` is in seconds since 1970, `digest` the SHA-256 of the predictions as they were written then.
    `complete` is False where it was stopped.
    """

    predictions: tuple[Prediction, ...]
    predicted_at: float
    digest: str
    trials: tuple[ValidationTrial, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    application: str = ""
    complete: bool = False
