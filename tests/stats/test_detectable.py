"""The table that `loadlab plan` reads says what the simulation says."""

from __future__ import annotations

import pytest

from loadlab.model.plan import Plan
from loadlab.stats._detectable_table import MARGIN, MOST_COMPARISONS, TABLE
from loadlab.stats.detectable import SUPPOSED, detected, simulated
from loadlab.stats.power import MOST_SIMULATED


@pytest.mark.parametrize("blocks", [*range(4, MOST_SIMULATED + 2), 40])
def test_what_a_plan_detects_is_what_the_simulation_detects(blocks: int) -> None:
    for comparisons in range(1, MOST_COMPARISONS + 3):
        for share in SUPPOSED:
            found = detected(share, blocks, comparisons, margin=MARGIN)
            expected = simulated(share, blocks, comparisons, margin=MARGIN)
            assert (found is None) == (expected is None)
            assert found is None or found == pytest.approx(expected, rel=1e-9)


def test_another_margin_is_simulated() -> None:
    assert detected(0.03, 12, 6, margin=0.2) == simulated(0.03, 12, 6, margin=0.2)
    assert detected(0.03, 12, 6, margin=0.2) != detected(0.03, 12, 6, margin=MARGIN)


def test_the_table_is_for_the_usual_margin() -> None:
    assert Plan(servers={}, strategies={}).equivalence_margin == MARGIN
    assert min(TABLE) == 6
    assert max(TABLE) == MOST_SIMULATED
