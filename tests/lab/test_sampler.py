"""What a sampler keeps, and what it tells of it while it goes on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from every import every
from patience import PATIENCE_SECONDS

from loadlab.lab.sampler import Sampler
from loadlab.model.samples import most_at_once

if TYPE_CHECKING:
    from collections.abc import Mapping

OPEN = [3.0, 9.0, 2.0, 5.0]


def test_a_follower_hears_the_highest_of_each_quantity_so_far() -> None:
    """Every fourth reading is told, and the highest is the second."""
    readings = iter([*OPEN, *OPEN])
    told: list[float] = []
    enough = threading.Event()

    def read() -> dict[str, float]:
        seen = next(readings, None)
        if seen is None:
            enough.set()
            raise OSError("nothing more to see")
        return {"open": seen}

    def follow(highest: Mapping[str, float]) -> None:
        told.append(highest["open"])

    with Sampler(read, 0.0, follow, rate=8.0) as sampler:
        assert enough.wait(PATIENCE_SECONDS)
    assert told == [3.0, 9.0]
    assert sampler.series().highest == {"open": 9.0}


@every(
    ("highest", "behind_pooler", "most"),
    [
        ({"backends": 4.0, "open": 6.0}, False, 6),
        ({"backends": 4.0, "open": 6.0}, True, 4),
        ({"open": 6.0}, False, 6),
        ({}, False, 0),
    ],
)
def test_the_peak_is_either_sides_and_behind_a_pooler_postgresqls(
    highest: dict[str, float], *, behind_pooler: bool, most: int
) -> None:
    assert most_at_once(highest, behind_pooler=behind_pooler) == most
