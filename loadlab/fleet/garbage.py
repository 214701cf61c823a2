"""How many requests of its process later the garbage collector closes the connection of a thread that has ended.

What is open at the end of a trial would be collected later, and counts by the method of Kaplan and Meier. CPython's
collector has three generations: the youngest is searched every few requests, and what is in use then is kept for the
search of the second, one in `SEARCHES` of them; what is in use then waits for a search of all, which comes seldom, or
never. Trials that are too short to show the second generation are continued by this rule.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.fleet import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.fleet import Numbers
    from loadlab.model.uses import GarbageCount

# threshold1 = 10: the second is searched at the search after the eleventh of the youngest (Modules/gcmodule.c).
SEARCHES: Final = 12
YOUNG: Final = 1.5  # searches of the youngest, by which what it collects is gone
ENOUGH: Final = 2.0  # searches of the second generation that a trial has to see, to need no rule


@dataclass(frozen=True, kw_only=True, slots=True)
class _Survival:
    """Which share of connections waits for longer than each of `lags`; sorted."""

    lags: Numbers
    shares: Numbers

    def after(self, lag: float) -> float:
        place = int(np.searchsorted(self.lags, lag, side="right"))
        return float(self.shares[place - 1]) if place else 1.0

    def lag(self, gone: Numbers) -> Numbers:
        """By when such a share is gone; NEVER of what was not seen to go."""
        places = np.searchsorted(1 - self.shares, gone * (1 - 1e-12))
        return np.append(self.lags, NEVER)[places]


def merged(parts: Iterable[tuple[GarbageCount, ...]]) -> Counter[tuple[int, bool]]:
    """How many connections were collected, or waited still, after each number of requests."""
    counted: Counter[tuple[int, bool]] = Counter()
    for part in parts:
        for one in part:
            counted[one.after, one.collected] += one.count
    return counted


def lags(counted: Counter[tuple[int, bool]], values: int) -> tuple[int, ...]:
    """So many equally likely numbers of requests, sorted; none without a connection that was collected."""
    if not any(collected for _, collected in counted):
        return ()
    survival = _survival(counted)
    young = 2 * survival.lag(np.array([0.5]))[0] + 1
    watched = max(after for after, _ in counted)
    gone = (np.arange(values) + 0.5) / values
    found = survival.lag(gone)
    if watched < ENOUGH * SEARCHES * young:
        found = _continued(found, gone, survival, young)
    return tuple(int(lag) for lag in found)


def _survival(counted: Counter[tuple[int, bool]]) -> _Survival:
    at_risk, share = counted.total(), 1.0
    reached, shares = [], []
    for after in sorted({after for after, _ in counted}):
        ended = counted[after, True]
        share *= 1 - ended / at_risk
        at_risk -= ended + counted[after, False]
        if ended:
            reached.append(float(after))
            shares.append(share)
    return _Survival(lags=np.array(reached), shares=np.array(shares))


def _continued(found: Numbers, gone: Numbers, survival: _Survival, young: float) -> Numbers:
    """With what the youngest generation has not collected spread evenly until the second is searched; and the rest."""
    edge, second = ceil(YOUNG * young), SEARCHES * young
    kept = survival.after(edge)
    if not kept:
        return found
    never = 1 / ((SEARCHES - 1) * (1 - edge / second) + 1)
    place = (gone - (1 - kept)) / kept
    evenly = edge + place / (1 - never) * (second - edge)
    return np.where(place <= 0, found, np.where(place < 1 - never, evenly, NEVER))
