"""Connections of threads that ended are collected together, generation by generation."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import pytest
from every import every

from loadlab.fleet.engine.database import Connection
from loadlab.fleet.engine.garbage import SEARCHES, garbage_of

if TYPE_CHECKING:
    from loadlab.fleet.engine.garbage import Garbage

EVEN = tuple(range(10))  # as a search in every tenth request leaves it


def after_another(garbage: Garbage, requests: int) -> dict[int, int]:
    """Requests one after the other: in which request the connection of each was collected."""
    collected: dict[int, int] = {}
    numbers: dict[Connection, int] = {}
    for request in range(1, requests + 1):
        connection = Connection(owner=None, now=0.0)  # type: ignore[arg-type]
        connection.mark = garbage.mark()
        numbers[connection] = request
        for found in garbage.begin(request):
            collected[numbers[found]] = request
        for found in garbage.leave(connection, request):
            collected[numbers[found]] = request
    return collected


def test_a_search_takes_all_that_waits_for_it() -> None:
    collected = after_another(garbage_of(EVEN, repeat(0.5))(), 60)

    assert collected[1] == collected[5] == 6
    assert collected[7] == collected[15] == 16


def test_what_is_in_use_during_a_search_waits_for_the_second_generation() -> None:
    collected = after_another(garbage_of(EVEN, repeat(0.5))(), 400)
    late = sorted({search for request, search in collected.items() if search - request > 10})

    assert late == [66, 186, 306]
    assert late[1] - late[0] == SEARCHES * 10
    assert [request for request, search in collected.items() if search == 186 and request < 177] == [
        *range(76, 177, 10)
    ]
    assert {66, 186} & collected.keys() == set()  # in use during a search of the second


@every("after", [0, 1, 7])
def test_what_closes_after_a_fixed_number_is_not_searched(after: int) -> None:
    collected = after_another(garbage_of((after,), repeat(0.5))(), 100)

    assert {search - request for request, search in collected.items()} == {after}


@every(("lags", "period"), [(EVEN, 10), ((*EVEN * 9, 30, 60, 10**9), 10), ((0, 0, 1, 1, 1, 2, 2), 3)])
def test_the_period_of_searches_follows_from_lags(lags: tuple[int, ...], period: float) -> None:
    garbage = garbage_of(tuple(sorted(lags)), repeat(0.0))()
    searched = [request for request in range(1, 200) if garbage.begin(request) is not None and garbage.mark()[0]]

    assert searched[0] == 1
    assert garbage.mark()[0] == pytest.approx(199 / period, rel=0.02)


def test_failed_requests_bring_searches_about_sooner() -> None:
    garbage = garbage_of(EVEN, repeat(0.0))()
    for request in range(1, 101):
        garbage.begin(request)
        garbage.failed()

    assert garbage.mark()[0] > 100 / 10 * 2
