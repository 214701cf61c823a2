"""What an event is: processes that end, connections that are lost, or a condition that holds all the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from loadlab.model.bounds import STRICT, Bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Conditions, Extent, Outage, ProcessesEnd
    from loadlab.plan.problems import Problem

At = Annotated[float, Bounds(ge=0, finite=True, description="seconds since the start, 0 or more")]
Seconds = Annotated[float, Bounds(ge=0, finite=True, description="seconds, 0 or more")]
Hosts = Annotated[int, Bounds(ge=1, le=1_000_000, description="a whole number of hosts, 1 or more")]
EARLIER: Final = "let it start earlier, or simulate a longer time"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Base of the family; the fields of a member are its parameters, validated as annotated.

    A member says what it does in the terms of the engines: `ends`, `outages` or `conditions`, or several of them.
    """

    __pydantic_config__ = STRICT

    def problems(self, extent: Extent) -> Iterator[Problem]:  # noqa: ARG002  members look where they must
        """What is wrong with the event in a simulation of this extent, each at the name of its parameter."""
        yield from ()

    def ends(self, extent: Extent) -> tuple[ProcessesEnd, ...]:  # noqa: ARG002
        return ()

    def outages(self, extent: Extent) -> tuple[Outage, ...]:  # noqa: ARG002
        return ()

    def conditions(self, conditions: Conditions) -> Conditions:
        """The conditions with those of this event."""
        return conditions


def too_late(at_seconds: float, extent: Extent) -> Iterator[Problem]:
    """The problem of an event that would start when the simulated time is over."""
    from loadlab.plan.problems import Problem  # noqa: PLC0415  an event without a problem needs none

    if at_seconds >= extent.seconds:
        what = f"{at_seconds:g} is not within the {extent.seconds:g} simulated seconds"
        yield Problem(where="at_seconds", what=what, remedy=EARLIER)
