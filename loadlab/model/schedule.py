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


def remaining_seconds(*, left: int, made: int, elapsed_seconds: float, expected_seconds: float) -> float:
    """How long `left` trials may take: as the `made` ones have, in `elapsed_seconds`, or each as long as expected.

    >>> remaining_seconds(left=4, made=2, elapsed_seconds=10.0, expected_seconds=3.0)
    20.0
    >>> remaining_seconds(left=4, made=0, elapsed_seconds=10.0, expected_seconds=3.0)
    12.0
    """
    each = elapsed_seconds / made if made > 0 else expected_seconds
    return max(0.0, each * left)
