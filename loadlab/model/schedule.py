"""What a run sets out to do: its cases, and its trials in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from loadlab.model.case import Case
from loadlab.model.departure import Departure, Why
from loadlab.model.session import Continuation


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One trial that a run is to make: the `order`-th of all, in `block`, of the case at index `case`."""

    order: int
    block: int
    case: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """What a run has set out to do, so that it can be completed later exactly so.

    `steps` are all trials that it makes. A case may leave before its last block: its further steps are gone, and
    `departures` says why. With `fixed`, none leaves. `key` tells this run from every other, and `plan` is the text of
    its plan.toml; both are empty in runs of loadlab 0.1.0, which are not sealed. `continuation` is how it was begun.
    """

    id: str
    started: str
    version: str
    cases: list[Case]
    steps: list[Step]
    key: str = ""
    plan: str = ""
    continuation: Continuation = field(default_factory=Continuation)
    fixed: bool = True
    departures: tuple[Departure, ...] = ()

    @property
    def left(self) -> dict[Case, Departure]:
        """The cases that have left, each with its departure."""
        return {self.cases[one.case]: one for one in self.departures}

    def without(self, leaving: Mapping[Case, Why], blocks: int) -> Schedule:
        """What remains if these cases leave after so many blocks."""
        indices = {self.cases.index(case): why for case, why in leaving.items()}
        spared: Counter[int] = Counter()
        kept = []
        for step in self.steps:
            if step.case in indices and step.block >= blocks:
                spared[step.case] += 1
            else:
                kept.append(step)
        departures = tuple(
            Departure(case=index, blocks=blocks, spared=spared[index], why=why) for index, why in indices.items()
        )
        return replace(self, steps=kept, departures=(*self.departures, *departures))


def remaining_seconds(*, left: int, made: int, elapsed_seconds: float, expected_seconds: float) -> float:
    """How long `left` trials may take: as the `made` ones have, in `elapsed_seconds`, or each as long as expected.

    >>> remaining_seconds(left=4, made=2, elapsed_seconds=10.0, expected_seconds=3.0)
    20.0
    >>> remaining_seconds(left=4, made=0, elapsed_seconds=10.0, expected_seconds=3.0)
    12.0
    """
    each = elapsed_seconds / made if made > 0 else expected_seconds
    return max(0.0, each * left)
