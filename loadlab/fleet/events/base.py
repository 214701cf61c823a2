"""What an event is: processes that end, connections that are lost, or a condition that holds all the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.model.bounds import STRICT

if TYPE_CHECKING:
    from loadlab.model.fleet import Conditions, Outage, ProcessesEnd


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Base of the family; the fields of a member are its parameters, validated as annotated.

    A member says what it does in the terms of the engines: `ends`, `outages` or `conditions`, or several of them.
    """

    __pydantic_config__ = STRICT

    def ends(self, hosts: int) -> tuple[ProcessesEnd, ...]:  # noqa: ARG002  members look where they must
        return ()

    def outages(self, hosts: int) -> tuple[Outage, ...]:  # noqa: ARG002
        return ()

    def conditions(self, conditions: Conditions) -> Conditions:
        """The conditions with those of this event."""
        return conditions
