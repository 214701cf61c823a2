"""How a run goes on: what it writes into progress.jsonl, a line of JSON for each event, for whoever follows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError


@dataclass(frozen=True, kw_only=True, slots=True)
class RunBegan:
    """The lab of process `pid` goes to work: `done` of `total` trials are there, each takes about `trial_seconds`.

    A run that is resumed begins again.
    """

    at: float
    total: int
    done: int
    trial_seconds: float
    pid: int
    event: Literal["run_began"] = "run_began"


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparing:
    """What happens now, before the first trial or between two."""

    at: float
    what: str
    event: Literal["preparing"] = "preparing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Noticed:
    """Something to know about the run as a whole."""

    at: float
    what: str
    event: Literal["notice"] = "notice"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialBegan:
    """The `order`-th trial of the schedule, of the case at index `case`, in `block`.

    Its target's ledgers are in the folder `ledgers` until three further trials have begun, or the run has ended.
    """

    at: float
    order: int
    block: int
    case: int
    ledgers: str
    event: Literal["trial_began"] = "trial_began"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """What was seen of a trial at one instant; counters count from the trial's begin.

    `values` are gauges (`open`, `peak`: the most connections at once since the trial began, `backends`,
    `backends_<state>`, `max_connections`, `pooler_clients`, `pooler_servers`, `pooler_clients_waiting`) and counters
    (`opened`, `reused`, `closed_<reason>`, `connect_errors_<kind>`, `sessions`, `cpu_<part>` in seconds,
    `pooler_waited_seconds`, and from the generator `requests`, `failures`, `response_seconds_sum`). `response_buckets`
    counts response times by `metrics.RESPONSE_SECONDS`, not cumulated; the last number is what took longer than every
    bound. The last sample of a trial holds its final counts.
    """

    at: float
    order: int
    values: Mapping[str, float]
    response_buckets: Sequence[int]
    event: Literal["sampled"] = "sampled"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialEnded:
    """The trial's record is in the run folder now."""

    at: float
    order: int
    state: str
    reason: str
    event: Literal["trial_ended"] = "trial_ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEnded:
    """The lab has stopped working at the run: all trials are there, or somebody stopped it, or something failed."""

    at: float
    state: Literal["complete", "stopped", "failed"]
    reason: str = ""
    event: Literal["run_ended"] = "run_ended"


Event = RunBegan | Preparing | Noticed | TrialBegan | Sampled | TrialEnded | RunEnded
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def to_line(event: Event) -> bytes:
    return _EVENT.dump_json(event) + b"\n"


def of_line(line: bytes) -> Event | None:
    """The event; None for a line that is damaged, or of a newer loadlab.

    >>> of_line(to_line(Preparing(at=1.0, what="PostgreSQL starts"))).what
    'PostgreSQL starts'
    >>> of_line(b'{"event":"unheard_of"}') is None
    True
    """
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None
