"""What the tests themselves rest on: a loop over rows that hides no failure."""

from __future__ import annotations

import pytest
from every import every


def test_all_rows_are_tried_and_each_that_fails_is_named() -> None:
    seen = []

    @every(("value", "expected"), [(1, 1), (2, 3), pytest.param(4, 5, id="four"), (6, 6)])
    def check(value: int, expected: int) -> None:
        seen.append(value)
        assert value == expected

    with pytest.raises(BaseExceptionGroup, match="2 of 4 rows") as raised:
        check()
    assert seen == [1, 2, 4, 6]
    assert [failure.__notes__ for failure in raised.value.exceptions] == [["row 1: (2, 3)"], ["row 2: four"]]


def test_a_loop_over_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match="there is no row of value"):
        every("value", [])(lambda value: None)
