"""The events of a run: a line of JSON each in progress.jsonl, for the live page and other followers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Final, Literal

from loadlab.model.bounds import Bounds

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Instant = Annotated[float, Bounds(ge=0, le=1e12, finite=True)]  # seconds since 1970
Seconds = Annotated[float, Bounds(gt=0, le=1e9, finite=True)]
Count = Annotated[int, Bounds(ge=0, lt=2**63)]
Number = Annotated[int, Bounds(ge=0, lt=2**31)]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunBegan:
    """The lab of process `pid` goes to work: `done` of `total` trials are there, each takes about `trial_seconds`.

    A run that is resumed begins again.
    """

    at: Instant
    total: Number
    done: Number
    trial_seconds: Seconds
    pid: Annotated[int, Bounds(gt=0, lt=2**31)]
    event: Literal["run_began"] = "run_began"


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparing:
    """What happens now, before the first trial or between two."""

    at: Instant
    what: str
    event: Literal["preparing"] = "preparing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Noticed:
    """Something to know about the run as a whole."""

    at: Instant
    what: str
    event: Literal["notice"] = "notice"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialBegan:
    """The `order`-th trial of the schedule, of the case at index `case`, in `block`.

    Its target's ledgers are in the folder `ledgers` until three further trials have begun, or the run has ended.
    """

    at: Instant
    order: Number
    block: Number
    case: Number
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

    at: Instant
    order: Number
    values: Mapping[str, float]
    response_buckets: Sequence[Count]
    event: Literal["sampled"] = "sampled"


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultApplied:
    """The fault of a trial's case is in place, in words: `fault`."""

    at: Instant
    order: Number
    fault: str
    event: Literal["fault_applied"] = "fault_applied"


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultLifted:
    """It is over; one without an end is over as soon as it is in place."""

    at: Instant
    order: Number
    event: Literal["fault_lifted"] = "fault_lifted"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialEnded:
    """The trial's record is in the run folder now."""

    at: Instant
    order: Number
    state: str
    reason: str
    event: Literal["trial_ended"] = "trial_ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEnded:
    """The lab has stopped working at the run: all trials are there, or it was stopped, or it failed."""

    at: Instant
    state: Literal["complete", "stopped", "failed"]
    reason: str = ""
    event: Literal["run_ended"] = "run_ended"


BEGINNING: Final = b'"event":"run_began"'

Event = RunBegan | Preparing | Noticed | TrialBegan | Sampled | FaultApplied | FaultLifted | TrialEnded | RunEnded


@cache
def _adapter() -> TypeAdapter[Event]:
    """Built when an event is read or written: a report does neither."""
    from pydantic import Field, TypeAdapter  # noqa: PLC0415  see above

    return TypeAdapter(Annotated[Event, Field(discriminator="event")])


def to_line(event: Event) -> bytes:
    return _adapter().dump_json(event) + b"\n"


def of_line(line: bytes) -> Event | None:
    """The event; None for a line that is damaged, or of a newer loadlab.

    Raises:
        ValueError: it should be the beginning of a run, without which the others say nothing, and cannot be one.

    >>> of_line(to_line(Preparing(at=1.0, what="PostgreSQL starts"))).what
    'PostgreSQL starts'
    >>> of_line(b'{"event":"unheard_of"}') is None
    True
    """
    from pydantic import ValidationError  # noqa: PLC0415  see above

    try:
        return _adapter().validate_json(line)
    except ValidationError as error:
        if BEGINNING in line and line.startswith(b"{"):
            first = error.errors()[0]
            raise ValueError(f"run_began: {'.'.join(map(str, first['loc'][1:]))}: {first['msg']}") from None
        return None
