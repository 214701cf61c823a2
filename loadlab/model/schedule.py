"""What a run sets out to do: its cases, and its trials in their order."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadlab.model.case import Case
from loadlab.model.session import Continuation


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One trial that a run is to make: the `order`-th of all, in `block`, of the case at index `case`."""

    order: int
    block: int
    case: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """What a run has set out to do, fixed when it starts, so that it can be completed later exactly so.

    `key` tells this run from every other, and `plan` is the text of its plan.toml; both are empty in runs of loadlab
    0.1.0, which are not sealed. `continuation` is how it was begun.
    """

    id: str
    started: str
    version: str
    cases: list[Case]
    steps: list[Step]
    key: str = ""
    plan: str = ""
    continuation: Continuation = field(default_factory=Continuation)
