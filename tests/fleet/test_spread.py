"""What the uses of a trial come to: shares, times, and how long garbage waits."""

from __future__ import annotations

import pytest

from loadlab.fleet.spread import distribution, new_processes, uses_of, with_new_processes
from loadlab.instrumentation.uses_file import Use
from loadlab.model.fleet import Collector, Dispatch, Spread
from loadlab.servers.gevent import Gevent
from loadlab.servers.gthread import GThread

TWO = GThread(workers=2, threads=2)


def test_the_first_request_of_each_process_may_be_cold() -> None:
    cold = [Use(0.5, 0.7, process, 1, connect=0.2, started=0.1) for process in range(2)]
    warm = [Use(at + 0.1, at + 0.15, at % 2, 1, started=at + 0.08) for at in range(1, 9)]
    opened = [Use(9.1, 9.15, 0, 2, connect=0.01, started=9.07)]
    found = uses_of([*cold, *warm, *opened], since=1.0, server=TWO)
    assert found is not None
    assert found.spread.cold_seconds == pytest.approx((0.2 + 0.2 - 0.07) + (0.2 - 0.01))


def test_a_request_takes_its_thread_before_its_connection() -> None:
    opening = Use(1.5, 1.6, 0, 1, connect=0.3, started=1.1)
    reusing = [Use(at + 0.3, at + 0.4, 0, 1, started=at) for at in (2.0, 3.0)]
    found = uses_of([opening, *reusing, Use(4.0, 4.1, 0, 1)], since=0.0, server=TWO)
    assert found is not None
    assert found.spread.ahead_seconds == pytest.approx((0.1 + 0.3 + 0.3) / 3)


def test_new_processes_say_what_their_first_requests_meet() -> None:
    """Of two servers, each with two processes; what they do later makes no difference."""

    def server(young: float) -> list[Use]:
        first = [Use(0.5, 0.7, process, 1, connect=0.1, young=young, searches=5) for process in range(2)]
        return [*first, *(Use(at, at + 0.05, at % 2, 1, connect=0.01, young=0.9, searches=8) for at in range(1, 9))]

    found = new_processes([server(0.6), server(0.4)])

    assert found is not None
    assert found.cold_seconds == pytest.approx(0.15 + 0.09)
    assert (found.young, found.searches) == (0.5, 5)
    spread = with_new_processes(Spread(collector=Collector(busy=0.2, left=0.05, first=0.9, searches=9)), found)
    assert spread.collector is not None
    assert spread.collector.first == pytest.approx(0.5 - 0.2)
    assert spread.collector.searches == 5
    assert spread.cold_seconds == found.cold_seconds
    assert new_processes([[]]) is None


def test_nothing_comes_of_no_uses() -> None:
    assert uses_of([], since=0.0, server=TWO) is None


def test_shares_are_of_the_window_the_largest_first() -> None:
    before = [Use(0.0, 0.5, 1, 1, connect=0.2)]
    inside = [Use(1.0 + at, 1.25 + at, at == 3, 1 + at % 2) for at in range(4)]
    found = uses_of([*before, *inside], since=1.0, server=TWO)
    assert found is not None
    assert found.spread.requests == 4
    assert found.spread.by_process == (0.75, 0.25)
    assert found.spread.by_thread == (0.5, 0.25, 0.25)
    assert found.hold_seconds is not None
    assert found.hold_seconds.values == (0.25, 0.25, 0.25, 0.25)
    assert found.connect_seconds is not None
    assert found.connect_seconds.values == (0.2,)  # none in the window


def test_garbage_waits_for_requests_of_its_own_process() -> None:
    """The first connection is closed after two more requests of process 0; what process 1 does makes no difference."""
    mine = [Use(0.0, 0.1, 0, 1, collected=2.5), Use(1.0, 1.1, 0, 2), Use(2.0, 2.1, 0, 3), Use(3.0, 3.1, 0, 4)]
    others = [Use(0.5 + at, 0.6 + at, 1, at) for at in range(4)]
    found = uses_of(sorted([*mine, *others]), since=0.0, server=Gevent(workers=2))
    assert found is not None
    assert set(found.spread.collected_after) == {2}
    assert found.spread.by_thread == ()
    assert found.spread.threads == Dispatch()


def test_connections_that_wait_at_the_end_count_as_longer() -> None:
    """Each connection is collected four requests later; those of the last four requests wait, and say no less."""
    ends = [Use(float(at), at + 0.1, 0, at, connect=0.1, collected=at + 4.05 if at < 16 else None) for at in range(20)]
    found = uses_of(ends, since=0.0, server=Gevent(workers=2))
    assert found is not None
    assert set(found.spread.collected_after) == {4}


def test_a_long_wait_that_few_were_seen_to_end_is_not_underrated() -> None:
    """Half of the connections are collected at once, the others after 60 of 100 requests: of these, few are seen."""
    uses = [
        Use(
            float(at),
            at + 0.1,
            0,
            at,
            connect=0.1,
            collected=at + (0.5 if at % 2 else 60.05) if at % 2 or at < 40 else None,
        )
        for at in range(100)
    ]
    found = uses_of(uses, since=0.0, server=Gevent(workers=2))
    assert found is not None
    lags = found.spread.collected_after
    assert lags.count(0) / len(lags) == pytest.approx(0.5, abs=0.03)
    assert lags[-1] == 60


def test_closed_connections_are_no_garbage() -> None:
    closing = [Use(float(at), at + 0.1, 0, at, connect=0.1, closed=True) for at in range(20)]
    found = uses_of(closing, since=0.0, server=Gevent(workers=2))
    assert found is not None
    assert found.spread.collected_after == ()


def test_a_distribution_has_at_most_101_values() -> None:
    made = distribution([float(value) for value in range(1001)])
    assert made is not None
    assert len(made.values) == 101
    assert made.quantile(0.5) == pytest.approx(500.0)
    assert distribution([]) is None
