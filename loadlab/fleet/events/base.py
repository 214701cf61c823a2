"""What an event is: processes that end, connections that are lost, or a condition that holds all the time."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Annotated, Final

from loadlab.model.bounds import STRICT, Bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Conditions, Extent, Outage, ProcessesEnd
    from loadlab.plan.problems import Problem

At = Annotated[float, Bounds(ge=0, finite=True, description="seconds since the start, 0 or more")]
Seconds = Annotated[float, Bounds(ge=0, finite=True, description="seconds, 0 or more")]
Hosts = Annotated[int, Bounds(ge=1, le=1_000_000, description="a whole number of hosts, 1 or more")]
HostNumber = Annotated[int, Bounds(ge=0, le=1_000_000, description="the number of a host, from 0")]
Every = Annotated[float, Bounds(ge=1, finite=True, description="seconds, 1 or more")]
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


def repeated(at_seconds: float, every_seconds: float | None, extent: Extent) -> list[float]:
    """When an event starts within the simulated time."""
    if every_seconds is None:
        return [at_seconds]
    return [at_seconds + turn * every_seconds for turn in range(ceil((extent.seconds - at_seconds) / every_seconds))]


def too_late(at_seconds: float, extent: Extent) -> Iterator[Problem]:
    """The problem of an event that would start when the simulated time is over."""
    if at_seconds >= extent.seconds:
        what = f"{at_seconds:,.10g} is not within the {extent.seconds:,.10g} simulated seconds"
        yield _problem("at_seconds", what, EARLIER)


def too_often(every_seconds: float | None, lasts_seconds: float) -> Iterator[Problem]:
    """The problem of an event that would start again before it is over."""
    if every_seconds is not None and every_seconds < lasts_seconds:
        what = f"{every_seconds:,.10g} is shorter than the {lasts_seconds:,.10g} seconds that it takes"
        yield _problem("every_seconds", what, f"set it to {lasts_seconds:.10g} or more")


def too_many(key: str, hosts: int, extent: Extent) -> Iterator[Problem]:
    """The problem of more hosts than the fleet has."""
    if hosts > extent.hosts:
        yield _problem(key, f"{hosts} is more than the fleet has", f"it has {extent.hosts}")


def outside(first_host: int, hosts: int, extent: Extent, first_key: str = "first_host") -> Iterator[Problem]:
    """The problem of hosts, counted from a first one, that the fleet does not have."""
    last = first_host + hosts - 1
    if last >= extent.hosts:
        where = first_key if first_host >= extent.hosts else "hosts"
        yield _problem(where, f"the fleet has no host {last}", f"its hosts are 0 to {extent.hosts - 1}")


def _problem(where: str, what: str, remedy: str) -> Problem:
    from loadlab.plan.problems import Problem  # noqa: PLC0415  an event without a problem needs none

    return Problem(where=where, what=what, remedy=remedy)
