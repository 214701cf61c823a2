"""Which requests belong to the window, at its edges and under each kind of load."""

from __future__ import annotations

from math import nan

from loadlab.model.requests import Requests
from loadlab.model.window import Window

WINDOW = Window(1.0, 2.0)


def closed(*spans: tuple[float, float]) -> Requests:
    """Requests from one instant to another."""
    return Requests(
        ended=[to for _, to in spans], response=[to - since for since, to in spans], failed=[0.0] * len(spans)
    )


def test_a_request_of_a_closed_load_belongs_where_it_ends() -> None:
    requests = closed((0.5, 0.99), (0.5, 1.0), (0.5, 1.5), (1.0, WINDOW.last), (1.5, 2.0), (1.5, 2.5))
    assert WINDOW.of(requests).tolist() == [False, True, True, True, False, False]


def test_a_request_of_an_open_load_belongs_where_it_was_due() -> None:
    due = [0.99, 1.0, WINDOW.last, 2.0]
    requests = Requests(ended=[1.5, 1.5, 9.0, 2.1], response=[0.5] * 4, failed=[0.0] * 4, due=due, sent=[1.5] * 4)
    assert WINDOW.of(requests).tolist() == [False, True, True, False]


def test_a_request_that_no_arrival_asked_for_belongs_where_it_was_sent() -> None:
    requests = Requests(ended=[2.5] * 3, response=[1.0] * 3, failed=[0.0] * 3, due=[nan] * 3, sent=[0.9, 1.0, 2.0])
    assert WINDOW.of(requests).tolist() == [False, True, False]


def test_dropped_arrivals_belong_where_they_were_due() -> None:
    assert WINDOW.holds([0.99, 1.0, 1.5, WINDOW.last, 2.0]).tolist() == [False, True, True, True, False]


def test_an_instant_that_is_not_known_belongs_to_no_window() -> None:
    assert not Window(-1e9, 1e9).holds([nan]).any()


def test_two_windows_that_meet_share_no_request() -> None:
    requests = closed(*((0.0, end / 10) for end in range(31)))
    parts = [Window(float(start), float(start + 1)).of(requests).sum() for start in range(3)]
    assert sum(parts) == Window(0.0, 3.0).of(requests).sum() == 30


def test_no_request_belongs_to_the_window_of_an_empty_trial() -> None:
    assert WINDOW.of(closed()).tolist() == []
