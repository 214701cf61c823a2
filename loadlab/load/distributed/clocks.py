"""Measures the offset between a worker's clock and the master's, from calls and replies."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Offset:
    """Theirs = ours + `seconds`, by which it may be wrong by `uncertainty` at most."""

    seconds: float
    uncertainty: float


def measured(their_time: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> Offset:
    """Of several rounds the shortest, as NTP does it: the reply was given somewhere in between.

    >>> ours = iter([0.0, 0.3, 1.0, 1.1, *([2.0, 2.5] * 10)])
    >>> measured(iter([100.25, 101.05, *([102.2] * 10)]).__next__, ours.__next__)
    Offset(seconds=100.0, uncertainty=0.05...)
    """
    rounds = [_round(their_time, clock) for _ in range(ROUNDS)]
    return min(rounds, key=lambda one: one.uncertainty)


def _round(their_time: Callable[[], float], clock: Callable[[], float]) -> Offset:
    asked = clock()
    theirs = their_time()
    answered = clock()
    return Offset(seconds=theirs - (asked + answered) / 2, uncertainty=(answered - asked) / 2)


def skew(before: Offset, after: Offset, late: float) -> float:
    """By how much a start may have been off that was planned with `before`, and `late` by so much itself.

    What two measurements cannot agree on is added: one of the clocks has moved.

    >>> round(skew(Offset(seconds=5.0, uncertainty=0.01), Offset(seconds=5.015, uncertainty=0.02), 0.0), 6)
    0.01
    >>> round(skew(Offset(seconds=5.0, uncertainty=0.01), Offset(seconds=5.5, uncertainty=0.02), 0.003), 6)
    0.483
    """
    moved = abs(after.seconds - before.seconds) - before.uncertainty - after.uncertainty
    return before.uncertainty + late + max(0.0, moved)
