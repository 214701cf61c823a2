"""What makes a trial invalid: the limits of the load, each with its reason, and nothing that is within them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from loadlab.load.contract import NO_RESULT, LoadResult
from loadlab.runner.validity import Validity, validity

WINDOW = (1.0, 11.0)
COMPLETE = Validity(state="complete")
NAN = float("nan")


def load(
    *, lag_seconds: float = 0.0001, response_seconds: float = 0.02, dropped: int = 0, busy: tuple[float, ...] = (0.5,)
) -> LoadResult:
    """1,200 requests, 1,000 of them due within the window; what is dropped is due within it too."""
    due = np.arange(1200) / 100
    return LoadResult(
        ended=(due + response_seconds).tolist(),
        response=np.full(1200, response_seconds).tolist(),
        failed=[0.0] * 1200,
        failures={},
        examples={},
        due=due.tolist(),
        sent=(due + lag_seconds).tolist(),
        dropped=[5.0] * dropped,
        busy=busy,
    )


def test_a_load_within_all_limits_is_complete() -> None:
    assert validity(load(lag_seconds=0.00099, dropped=1, busy=(0.9, 0.9)), WINDOW, is_open=True) == COMPLETE


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (load(dropped=2), r"2 of 1,002 tasks that were due (0.2 %) were dropped"),
        (load(lag_seconds=0.0011), "p99 of the send lag, 1.10 ms, is 5.5 % of that of the response, 20.00 ms"),
        (load(busy=(0.91,)), "the generator used 91 % of a core"),
        (load(busy=(0.2, 0.95)), "load process 2 of 2 used 95 % of a core"),
        (replace(load(), unkept=7), "7 requests after the first 1,200 were not kept"),
        (
            replace(load(), lost=("load process 1 of 2 was ended by SIGKILL",)),
            "load process 1 of 2 was ended by SIGKILL",
        ),
        (replace(NO_RESULT, lost=("load process 1 of 1 failed with status 1",)), "failed with status 1"),
    ],
)
def test_a_load_over_a_limit_is_invalid_with_the_reason(result: LoadResult, reason: str) -> None:
    judged = validity(result, WINDOW, is_open=True)
    assert judged.state == "invalid"
    assert reason in judged.reason


@pytest.mark.parametrize(("skew", "state"), [((), "complete"), ((0.0, 0.2), "complete"), ((0.201, 0.0), "invalid")])
def test_workers_on_other_hosts_must_start_together(skew: tuple[float, ...], state: str) -> None:
    judged = validity(replace(load(), skew=skew), WINDOW, is_open=True)
    assert judged.state == state
    assert ("up to 201 ms apart, which is 2.01 % of the window" in judged.reason) == (state == "invalid")


def test_all_reasons_are_said_together() -> None:
    said = validity(load(dropped=9, lag_seconds=0.01, busy=(1.0,)), WINDOW, is_open=True).reason
    assert said.count(";") >= 2


def test_what_happens_outside_of_the_window_is_warm_up() -> None:
    late = load()
    sent = [instant + (5.0 if instant < WINDOW[0] else 0.0001) for instant in late.due]
    result = replace(late, sent=sent, dropped=[0.5] * 100)
    assert validity(result, WINDOW, is_open=True) == COMPLETE


def test_requests_that_no_arrival_asked_for_have_no_send_lag() -> None:
    some = load()
    due = [NAN if number % 2 else instant for number, instant in enumerate(some.due)]
    assert validity(replace(some, due=due), WINDOW, is_open=True).state == "complete"
    assert validity(replace(some, due=[NAN] * 1200), WINDOW, is_open=True).state == "complete"


def test_a_generator_that_says_nothing_or_sees_no_answer_has_failed() -> None:
    assert validity(None, WINDOW, is_open=False).state == "failed"
    assert validity(NO_RESULT, WINDOW, is_open=False).state == "failed"
