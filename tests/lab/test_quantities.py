"""What a probe has read is summed up over the window: the highest of a gauge, the growth of a counter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from loadlab.lab import quantities
from loadlab.lab.quantities import summed_up
from loadlab.model.quantity import Quantity
from loadlab.model.samples import Series
from loadlab.model.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW: Final = Window(1.0, 2.0)
SERIES: Final = Series(at=[0.5, 1.0, 1.5, 2.0], values={"waiting": [9.0, 3.0, 5.0, 8.0]})


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Quantity(name="waiting", title="Waiting"), Quantity(name="written", title="Written", kind="counter")]
    monkeypatch.setattr(quantities, "unplaced", lambda: found)


def summed(start: Mapping[str, float], end: Mapping[str, float]) -> dict[str, float]:
    return summed_up(start, end, SERIES, WINDOW)


def test_a_gauge_keeps_its_highest_value_within_the_window() -> None:
    assert summed({"waiting": 4}, {"waiting": 2}) == {"waiting": 5}
    assert summed({"waiting": 2}, {"waiting": 7}) == {"waiting": 7}


def test_a_counter_keeps_how_much_it_grew_within_the_window() -> None:
    assert summed({"written": 100}, {"written": 130}) == {"written": 30}


def test_what_was_not_read_at_both_edges_is_left_out() -> None:
    assert summed({"waiting": 1, "written": 1}, {"written": 1}) == {"written": 0}
