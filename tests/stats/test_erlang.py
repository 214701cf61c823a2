"""Erlang's formulas against their sums."""

from __future__ import annotations

import math

import pytest
from every import every

from loadlab.stats.erlang import probability_of_refusal, probability_of_waiting


@every(("servers", "offered"), [(1, 0.3), (3, 2.0), (10, 9.5), (40, 12.0)])
def test_erlangs_formulas_are_their_sums(servers: int, offered: float) -> None:
    terms = [offered**each / math.factorial(each) for each in range(servers + 1)]
    waiting = terms[-1] * servers / (servers - offered)

    assert probability_of_refusal(servers, offered) == pytest.approx(terms[-1] / sum(terms))
    assert probability_of_waiting(servers, offered) == pytest.approx(waiting / (sum(terms[:-1]) + waiting))


def test_everything_waits_where_more_comes_than_can_be_served() -> None:
    assert probability_of_waiting(3, 3.0) == 1.0
