"""Connections of threads that ended are collected together, generation by generation."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
import pytest
from every import every

from loadlab.fleet.engine.database import Connection
from loadlab.fleet.engine.garbage import FULL_SEARCHES, CountedGarbage, CountingGarbage, SearchedGarbage, Searches
from loadlab.fleet.garbage import SEARCHES
from loadlab.model.fleet import Collector, Spread

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
        garbage.ended()
    return collected


def test_a_search_takes_all_that_waits_for_it() -> None:
    collected = after_another(SearchedGarbage(10, 6, 7), 60)

    assert collected[1] == collected[5] == 6
    assert collected[7] == collected[15] == 16


def test_what_is_in_use_during_a_search_waits_for_the_second_generation() -> None:
    collected = after_another(SearchedGarbage(10, 6, 7), 400)
    late = sorted({search for request, search in collected.items() if search - request > 10})

    assert late == [66, 186, 306]
    assert late[1] - late[0] == SEARCHES * 10
    assert [request for request, search in collected.items() if search == 186 and request < 177] == [
        *range(76, 177, 10)
    ]
    assert {66, 186} & collected.keys() == set()  # in use during a search of the second


@every("after", [0, 1, 7])
def test_what_closes_after_a_fixed_number_is_not_searched(after: int) -> None:
    collected = after_another(CountedGarbage(after), 100)

    assert {search - request for request, search in collected.items()} == {after}


@every(("lags", "period"), [(EVEN, 10), ((*EVEN * 9, 30, 60, 10**9), 10), ((0, 0, 1, 1, 1, 2, 2), 3)])
def test_the_period_of_searches_follows_from_lags(lags: tuple[int, ...], period: float) -> None:
    assert Searches(Spread(collected_after=tuple(sorted(lags)))).period == pytest.approx(period, rel=0.2)


def test_failed_requests_bring_searches_about_sooner() -> None:
    garbage = SearchedGarbage(10, 1, 1)
    for request in range(1, 101):
        garbage.begin(request)
        garbage.failed()

    assert garbage.mark()[0] > 100 / 10 * 2


@every(("first", "second"), [(1.0, 1), (3.7, 4), (8.4, 12)])
def test_many_connections_are_collected_as_one_by_one(first: float, second: int) -> None:
    searches = Searches(Spread(collected_after=(0, 0, 1, 1, 2, 2)))
    requests = int(2.2 * FULL_SEARCHES * SEARCHES * searches.period)
    one_by_one = after_another(SearchedGarbage(searches.period, first, second), requests)
    own = np.arange(1, requests + 1)
    together = searches.collected(own, own, (np.full(requests, first), np.full(requests, second)))

    collected = together[together <= requests]
    assert [one_by_one[request] for request in own[together <= requests]] == collected.tolist()
    assert len(one_by_one) == len(collected)


def test_what_is_in_use_during_a_search_of_the_second_waits_for_one_of_all() -> None:
    collected = after_another(SearchedGarbage(10, 6, 7), 2 * FULL_SEARCHES * SEARCHES * 10)

    assert collected[66] == collected[186] == 6 + 10 * (6 + SEARCHES * (FULL_SEARCHES - 1))


COUNTS = Collector(busy=0.3, left=0.0625, first=0.0, searches=4)


def test_a_request_adds_more_while_it_is_under_way_than_it_leaves_behind() -> None:
    """12 requests leave 0.75 behind, and the 13th brings it above 1."""
    collected = after_another(CountingGarbage(COUNTS, repeat(0.5)), 60)

    assert sorted(set(collected.values())) == [13, 26, 39, 52]
    assert Searches(Spread(collected_after=EVEN, collector=COUNTS)).period == 13


def test_requests_under_way_bring_a_search_about_that_finds_them_in_use() -> None:
    """The fourth of four brings it about; they wait for the second generation, whose search is the eighth."""
    garbage = CountingGarbage(COUNTS, repeat(0.5))
    under_way = [Connection(owner=None, now=0.0) for _ in range(4)]  # type: ignore[arg-type]
    for connection in under_way:
        connection.mark = garbage.mark()
        garbage.begin(1)
    assert garbage.mark() == (1, 0)
    for connection in under_way:
        garbage.leave(connection, 4)
        garbage.ended()

    found: list[Connection] = []
    for request in range(5, 5 + 7 * 13):
        assert not found
        found = list(garbage.begin(request))
        garbage.ended()
    assert found == under_way
    assert garbage.mark() == (8, 1)


@every(("drawn", "in_use"), [(0.2, False), (0.4, True)])
def test_the_share_of_early_searches_finds_no_connection_of_its_request(drawn: float, *, in_use: bool) -> None:
    garbage = CountingGarbage(replace(COUNTS, early=0.3), repeat(drawn))
    for request in range(12):
        garbage.begin(request)
        garbage.ended()
    list(garbage.before())
    searched_before_it_connects = garbage.mark()
    garbage.begin(13)

    assert searched_before_it_connects == ((0, 0) if in_use else (1, 0))
    assert garbage.mark() == (1, 0)
