"""The trial's record: every request while there is room, and a count of those that came when there was none."""

from __future__ import annotations

import time
from typing import Any

import gevent
import requests
from every import every
from locust.event import Events

from loadlab.load.generator.contract import LoadResult
from loadlab.load.generator.recorder import EXAMPLE_LENGTH, NO_ANSWER, Recorder
from loadlab.load.http.errors import AnswerTimeoutError
from loadlab.model.window import Window


class AnswerError(Exception):
    pass


class Answer:
    status_code = 503


def recording(*, most: int = 100) -> tuple[Recorder, Any]:
    events = Events()
    recorder = Recorder(most=most)
    recorder.listen(events)
    recorder.start(time.monotonic())
    return recorder, events.request.fire


def request(fire: Any, milliseconds: float, **more: Any) -> None:
    fire(request_type="GET", name="/", response_time=milliseconds, response_length=0, **{"exception": None, **more})


def test_response_times_are_kept_to_the_last_bit() -> None:
    recorder, fire = recording()
    times = [0.1, 12.3456789, 1234.5678901]
    for milliseconds in times:
        request(fire, milliseconds)
    result = recorder.result(Window(0.0, 60.0))
    assert list(result.requests.response) == [milliseconds / 1000 for milliseconds in times]
    assert LoadResult.from_json(result.to_json()) == result


def test_a_full_record_counts_what_it_drops_and_keeps_the_rest() -> None:
    recorder, fire = recording(most=10)
    for number in range(25):
        request(fire, number, exception=AnswerError("boom"))
    result = recorder.result(Window(0.0, 60.0))
    assert list(result.requests.response) == [number / 1000 for number in range(10)]
    assert result.unkept == 15
    assert result.failures == {"AnswerError": 10}


def test_failures_in_the_window_are_counted_by_kind_with_an_example() -> None:
    recorder, fire = recording()
    request(fire, 1.0, exception=AnswerError("x" * 2 * EXAMPLE_LENGTH))
    request(fire, 1.0, exception=AnswerError("no"), response=Answer())
    request(fire, 1.0)
    result = recorder.result(Window(0.0, 60.0))
    assert result.failures == {"AnswerError": 1, "HTTP 503": 1}
    assert result.statuses == {"HTTP 503": 503}
    assert len(result.examples["AnswerError"]) == EXAMPLE_LENGTH
    assert list(result.requests.failed) == [1.0, 1.0, 0.0]
    assert recorder.result(Window(60.0, 61.0)).failures == {}


@every("nothing", [None, 0.0])
def test_a_request_without_a_response_time_took_none(nothing: float | None) -> None:
    recorder, fire = recording()
    request(fire, nothing)  # type: ignore[arg-type]
    assert list(recorder.result(Window(0.0, 60.0)).requests.response) == [0.0]


def test_a_tasks_exception_is_told_by_its_kind_and_is_not_a_request() -> None:
    events = Events()
    recorder = Recorder()
    recorder.listen(events)
    recorder.start(time.monotonic())
    request(events.request.fire, 1.0)
    for _ in range(3):
        events.user_error.fire(user_instance=None, exception=KeyError("id"), tb=None)
    result = recorder.result(Window(0.0, 60.0))
    assert (len(result.requests), list(result.requests.failed)) == (1, [0.0])
    assert result.failures == {"KeyError raised by a task": 3}
    assert result.examples == {"KeyError raised by a task": "'id'"}
    assert recorder.result(Window(60.0, 90.0)).failures == {}


SLOW_KIND = [0.01] * 995 + [3.0] * 5  # one request in 200 is of a kind that takes 3 s


@every(
    ("answered", "ages", "window_seconds", "old"),
    [
        ([0.01] * 100, [0.9, 1.1], 5.0, 1),  # a busy machine alone delays an answer by most of a second
        ([0.01] * 100, [0.4, 0.6], 1.0, 1),  # but not by half of a short window
        ([0.2 * number for number in range(1, 11)], [2.4, 3.8, 4.1], 60.0, 1),  # twice p99 of slow answers
        (SLOW_KIND, [3.5, 3.8], 60.0, 1),  # p99 knows nothing of that kind, the longest answer does
        ([], [0.9, 1.1], 5.0, 1),
        ([0.01] * 100, [], 5.0, 0),
    ],
)
def test_a_request_left_behind_is_a_failure_once_it_is_old(
    answered: list[float], ages: list[float], window_seconds: float, old: int
) -> None:
    recorder, fire = recording(most=10_000)
    for seconds in answered:
        request(fire, seconds * 1000)
    recorder.stopped(ages, Window(10.0, 10.0 + window_seconds))
    result = recorder.result(Window(10.0, 10.0 + window_seconds))
    assert result.failures == ({NO_ANSWER: old} if old else {})
    assert list(result.requests.response)[len(answered) :] == sorted(ages, reverse=True)[:old]
    assert (len(result.requests.no_answer), result.requests.under_way) == (old, len(ages) - old)


class SlowAnswer(Answer):
    status_code = 0


@every("exception", [AnswerTimeoutError("late"), TimeoutError(), requests.exceptions.ReadTimeout(), gevent.Timeout(1)])
def test_a_request_that_timed_out_had_no_answer(exception: BaseException) -> None:
    recorder, fire = recording()
    request(fire, 1.0, exception=AnswerError("boom"), response=Answer())
    request(fire, 900.0, exception=exception, response=SlowAnswer())
    request(fire, 1.0, exception=exception, response=Answer())  # its server says that something else was late
    result = recorder.result(Window(0.0, 60.0))
    assert list(result.requests.no_answer) == [1.0]
    assert sum(result.failures.values()) == 3
