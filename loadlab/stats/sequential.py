"""Looks at a comparison before its last block, paid from what the exact test leaves over.

A signed-rank test cannot use its error fully: its p takes few values, so the last look at `blocks` blocks errs less
often than it may. What is left over pays for earlier looks. An earlier look claims a difference if at most `cut` Walsh
averages speak against it. `cut` is the largest number with

    P(W(n) ≤ cut or W(blocks) ≤ w) ≤ tail,    w the cut of the last look, the same as without any earlier look.

So nothing is lost: what the fixed test finds at its last block is found, and the error stays what it may be. The
probability depends on whether later differences are larger than earlier ones, as on a machine that becomes less steady.
It is counted for the worst order of sizes, so that it holds for all symmetric noise.
Source: Jennison and Turnbull, Group Sequential Methods, 2000, for error that looks share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.stats.blocks import ALPHA, FEWEST_BLOCKS
from loadlab.stats.signed_rank import critical, rank_sums, tails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_BLOCKS: Final = 100  # beyond, the chances take seconds to count: no look before the last


def looks(fewest: int, blocks: int) -> tuple[int, ...]:
    """After how many blocks a run looks at its comparisons, before its last block.

    Only after each second one: the order of trials is balanced over two blocks.

    >>> looks(2, 12), looks(9, 12)
    ((6, 8, 10), (10,))
    """
    first = max(fewest, FEWEST_BLOCKS)
    return tuple(range(first + first % 2, blocks, 2)) if blocks <= MOST_BLOCKS else ()


@cache
def cuts(at: tuple[int, ...], blocks: int, tail: float) -> tuple[int | None, ...]:
    """For each look of `at`, how many Walsh averages may speak against a claim; None where none may be made.

    `tail` is the error of the claim, to one side. The earliest look gets as much of what is left over as it can use.

    >>> cuts((6, 8, 10), 12, 0.025), cuts((6, 8, 10), 12, 0.025 / 6)
    ((None, 0, 2), (None, None, 0))
    """
    last = critical(blocks, tail)
    if last is None:
        return tuple(None for _ in at)
    left = tail - float(tails(blocks)[last])
    found: list[int | None] = []
    for look in at:
        price = only_early(look, blocks, last)
        affordable = int(np.searchsorted(price, left, side="right"))
        found.append(affordable - 1 if affordable else None)
        left -= float(price[affordable - 1]) if affordable else 0.0
    return tuple(found)


@cache
def family_cuts(at: tuple[int, ...], blocks: int, comparisons: int) -> tuple[int | None, ...]:
    """The cuts for better and worse, where so many comparisons share the error by Holm's procedure.

    Each is the smallest over all steps of the procedure, so that a claim of an earlier look holds at every step (Maurer
    and Bretz, Multiple testing in group sequential trials using graphical approaches, 2013).
    """
    found = [cuts(at, blocks, ALPHA / 2 / share) for share in range(1, max(1, comparisons) + 1)]
    return tuple(_smallest(step) for step in zip(*found, strict=True))


@dataclass(frozen=True, slots=True)
class Look:
    """What may be claimed after `blocks` blocks: Walsh averages that may speak against it; None where it may not be.

    `differs` is for better and worse, `equal` for equivalent, `covers` for the end of a 95 % interval.
    """

    blocks: int
    differs: int | None
    equal: int | None
    covers: int


@cache
def looks_of(fewest: int, blocks: int, comparisons: int) -> tuple[Look, ...]:
    """Of a family of so many comparisons, each with at most `blocks` blocks and at least the `fewest`.

    Without an interval to show, there is no look.
    """
    at = looks(fewest, blocks)
    differs, equal, covers = family_cuts(at, blocks, comparisons), cuts(at, blocks, ALPHA), cuts(at, blocks, ALPHA / 2)
    found = zip(at, differs, equal, covers, strict=True)
    return tuple(Look(n, differ, alike, cover) for n, differ, alike, cover in found if cover is not None)


def look_at(blocks: int, fewest: int, most: int, comparisons: int = 1) -> Look | None:
    """The one after so many blocks; None where there is none, as after the last block."""
    return next((look for look in looks_of(fewest, most, comparisons) if look.blocks == blocks), None)


def _smallest(step: Sequence[int | None]) -> int | None:
    known = [cut for cut in step if cut is not None]
    return min(known) if len(known) == len(step) else None


@cache
def only_early(look: int, blocks: int, last: int) -> NDArray[np.float64]:
    """P(W(look) ≤ cut and W(blocks) > last) for each cut from 0 on: what an earlier look adds to the error.

    W(n) is the sum of those of the ranks 1 … n of the first n differences whose sign is negative. The chance is the
    largest over all orders of their sizes: all later differences are larger than all earlier ones, so that
    W(blocks) = W(look) + a sum of the ranks look + 1 … blocks. To move a later difference above an earlier one never
    lowers the chance: it raises W(blocks) where the later one alone is negative, and lowers it where the earlier one
    alone is, but then W(look) is larger too.
    """
    early, later = np.diff(tails(look), prepend=0.0), rank_sums(look + 1, blocks)
    at_least = np.append(np.cumsum(later[::-1])[::-1], 0.0)  # P(the later ranks sum to s or more)
    needed = np.clip(last + 1 - np.arange(early.size), 0, later.size)
    chances: NDArray[np.float64] = np.cumsum(early * at_least[needed])
    return chances
