"""Puts the trials of a run into an order, and says how long they take."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
OVERHEAD_SECONDS: Final = 0.5  # boot, settling and end of a trial, as `make bench` measures it; for estimates only


def schedule(cases: Sequence[Case], blocks: int, seed: int) -> list[tuple[int, int]]:
    """(block, index of case) for each trial: every block is one pass over all cases.

    The first of each two blocks has a seeded random order, the second has it backwards. So over both every case has the
    same mean position, and a steady drift of the machine favours none at any seed.
    """
    shuffle = random.Random(seed).shuffle
    order = list(range(len(cases)))
    steps: list[tuple[int, int]] = []
    for block in range(blocks):
        if block % 2:
            order.reverse()
        else:
            shuffle(order)
        steps += [(block, index) for index in order]
    return steps


def trial_seconds(plan: Plan) -> float:
    """What one trial is expected to take."""
    return plan.warmup_seconds + plan.window_seconds + plan.quiet_spells.seconds + OVERHEAD_SECONDS
