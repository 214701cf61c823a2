"""What makes a trial invalid: the limits of the load, each with its reason, and nothing that is within them."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter

import numpy as np
from every import every

from loadlab.lab.validity import Disturbance, Validity, validity
from loadlab.load.generator.contract import NO_RESULT, LoadResult
from loadlab.load.generator.ticker import Pause
from loadlab.model.causes import Cause
from loadlab.model.requests import Requests
from loadlab.model.window import Window

WINDOW = Window(1.0, 11.0)
COMPLETE = Validity(state="complete")
NAN = float("nan")


def load(
    *, lag_seconds: float = 0.0001, response_seconds: float = 0.02, dropped: int = 0, busy: tuple[float, ...] = (0.5,)
) -> LoadResult:
    """1,200 requests, 1,000 of them due within the window; what is dropped is due within it too."""
    due = np.arange(1200) / 100
    return LoadResult(
        requests=Requests(
            ended=(due + response_seconds).tolist(),
            response=np.full(1200, response_seconds).tolist(),
            failed=[0.0] * 1200,
            due=due.tolist(),
            sent=(due + lag_seconds).tolist(),
            dropped=[5.0] * dropped,
        ),
        failures={},
        examples={},
        busy=busy,
    )


def with_columns(result: LoadResult, **columns: list[float]) -> LoadResult:
    return replace(result, requests=replace(result.requests, **columns))  # type: ignore[arg-type]


def test_a_load_within_all_limits_is_complete() -> None:
    assert validity(load(lag_seconds=0.00099, dropped=1, busy=(0.9, 0.9)), WINDOW, is_open=True) == COMPLETE


@every(
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


@every(("skew", "state"), [((), "complete"), ((0.0, 0.2), "complete"), ((0.201, 0.0), "invalid")])
def test_workers_on_other_hosts_must_start_together(skew: tuple[float, ...], state: str) -> None:
    judged = validity(replace(load(), skew=skew), WINDOW, is_open=True)
    assert judged.state == state
    assert ("up to 201 ms apart, which is 2.01 % of the window" in judged.reason) == (state == "invalid")


def test_all_reasons_are_said_together() -> None:
    said = validity(load(dropped=9, lag_seconds=0.01, busy=(1.0,)), WINDOW, is_open=True).reason
    assert said.count(";") >= 2


def test_what_happens_outside_of_the_window_is_warm_up() -> None:
    late = load()
    sent = [instant + (5.0 if instant < WINDOW.start else 0.0001) for instant in late.requests.due]
    result = with_columns(late, sent=sent, dropped=[0.5] * 100)
    assert validity(result, WINDOW, is_open=True) == COMPLETE


def test_requests_that_no_arrival_asked_for_have_no_send_lag() -> None:
    some = load()
    due = [NAN if number % 2 else instant for number, instant in enumerate(some.requests.due)]
    assert validity(with_columns(some, due=due), WINDOW, is_open=True).state == "complete"
    assert validity(with_columns(some, due=[NAN] * 1200), WINDOW, is_open=True).state == "complete"


def test_a_generator_that_says_nothing_or_sees_no_answer_has_failed() -> None:
    assert validity(None, WINDOW, is_open=False).state == "failed"
    assert validity(NO_RESULT, WINDOW, is_open=False).state == "failed"


def closed(*spans: tuple[float, float], active_users: float = 0.0, pauses: tuple[Pause, ...] = ()) -> LoadResult:
    """A closed load of requests that each took from an instant to another."""
    return LoadResult(
        requests=Requests(
            ended=[to for _, to in sorted(spans, key=itemgetter(1))],
            response=[to - since for since, to in sorted(spans, key=itemgetter(1))],
            failed=[0.0] * len(spans),
        ),
        failures={},
        examples={},
        active_users=(active_users,),
        pauses=pauses,
    )


def users(count: int, seconds: float, since: float, until: float) -> list[tuple[float, float]]:
    """So many users who send one request after the other, one after the other between two instants."""
    each = int((until - since) / seconds + 1e-9)
    first = [since + number * seconds / count for number in range(count)]
    return [(at + turn * seconds, at + (turn + 1) * seconds) for at in first for turn in range(each)]


@every(
    ("pause", "reason"),
    [
        (Pause(seconds=3.0), "the generator did not run for 3.00 s, in a window of 10 s"),
        (Pause(seconds=0.51), "the generator did not run for 0.51 s"),
        (Pause(seconds=60.2, suspended=60.0), "the machine was suspended for 60.20 s"),
        (Pause(seconds=0.49), ""),
    ],
)
def test_a_generator_that_stood_still_makes_its_trial_invalid(pause: Pause, reason: str) -> None:
    judged = validity(replace(load(), pauses=(Pause(), pause)), WINDOW, is_open=True)
    assert (judged.state == "invalid", judged.by_target) == (bool(reason), False)
    assert reason in judged.reason


def test_in_a_short_window_a_busy_machine_may_let_others_go_first() -> None:
    busy = closed(*users(4, 0.05, 0.0, 2.0), active_users=4, pauses=(Pause(seconds=0.24),))
    assert validity(busy, Window(1.0, 2.0), is_open=False) == COMPLETE
    stopped = replace(busy, pauses=(Pause(seconds=0.26),))
    assert validity(stopped, Window(1.0, 2.0), is_open=False).state == "invalid"


STALL = (4.0, 5.2)


@every(
    "spans",
    [
        # All users wait for 1.2 s, and go on.
        [*users(8, 0.1, 0.0, STALL[0]), *[(4.0 + n / 80, 5.2 + n / 80) for n in range(8)], *users(8, 0.1, 5.3, 12.0)],
        # They are not answered any more, and counted as failed when the load ends.
        [*users(8, 0.1, 0.0, 9.0), *[(9.0 + n / 80, 11.01) for n in range(8)]],
        # As the first, in a load that is far slower.
        [*users(2, 1.0, 0.0, STALL[0]), (4.0, 9.0), (4.5, 9.1), *users(2, 1.0, 9.2, 12.0)],
    ],
)
def test_a_server_that_stood_still_makes_its_trial_invalid(spans: list[tuple[float, float]]) -> None:
    judged = validity(closed(*spans), WINDOW, is_open=False)
    assert (judged.state, judged.by_target) == ("invalid", True)
    assert "requests were under way and none was answered for" in judged.reason


@every(
    "spans",
    [
        [(at + n / 1e3, at + 2.0 + n / 1e3) for at in (0.0, 2.0, 4.0, 6.0, 8.0) for n in range(8)],  # slow, all at once
        [(at, at + 0.05) for at in (0.5, 3.0, 7.5, 10.5)],  # users who pause for seconds
        [(0.0, 15.0), (0.0, 15.1)],  # slower than the window: it need not have stood still
        [*users(4, 0.1, 0.0, 5.0), *[(5.0, 5.4 + n / 80) for n in range(4)], *users(4, 0.1, 5.5, 12.0)],  # a hiccup
        [*users(4, 0.1, 0.0, 12.0), (2.0, 9.0)],  # one slow request beside others
    ],
)
def test_slow_requests_and_pauses_are_no_standstill(spans: list[tuple[float, float]]) -> None:
    assert validity(closed(*spans), WINDOW, is_open=False) == COMPLETE


def test_a_silence_of_the_generator_is_not_blamed_on_the_target() -> None:
    spans = [*users(8, 0.1, 0.0, 4.0), *[(4.0, 6.0 + n / 80) for n in range(8)], *users(8, 0.1, 6.2, 12.0)]
    judged = validity(closed(*spans, pauses=(Pause(seconds=2.0),)), WINDOW, is_open=False)
    assert (judged.state, judged.by_target, judged.reason.count(";")) == ("invalid", False, 0)


@every(
    ("until", "active_users", "state"),
    [
        (12.0, 8.0, "complete"),
        (9.0, 8.0, "complete"),  # 20 % of their time is missing
        (8.0, 8.0, "invalid"),  # 30 %
        (8.0, 5.6, "complete"),  # as many as are in requests, while the others pause
        (8.0, 0.0, "complete"),  # not known
    ],
)
def test_users_at_work_must_be_in_requests(until: float, active_users: float, state: str) -> None:
    judged = validity(closed(*users(8, 0.1, 0.0, until), active_users=active_users), WINDOW, is_open=False)
    assert judged.state == state
    assert ("users were in requests for only 7" in judged.reason) == (state == "invalid")


def test_what_was_seen_from_outside_makes_a_trial_invalid_too() -> None:
    lost = Disturbance(Cause.PROCESS_LOST, "a worker of sync (pid 7) ended before the window did")
    judged = validity(load(busy=(1.0,)), WINDOW, is_open=True, disturbances=[lost, lost])
    assert (judged.state, judged.by_target, judged.reason.count("pid 7")) == ("invalid", True, 1)
    assert judged.causes == (Cause.GENERATOR_BUSY, Cause.PROCESS_LOST)
    assert "it was the bottleneck" in judged.reason
    assert "pid 7" in validity(None, WINDOW, is_open=False, disturbances=[lost]).reason
