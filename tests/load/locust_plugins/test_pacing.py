"""Pacing: one task for each arrival, started when it is due, independent of earlier ones."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise
from math import isnan
from typing import TYPE_CHECKING, Any

import gevent
import locust.env
import pytest
from locust import TaskSet, User, task
from locust.event import Events
from locust.exception import StopUser
from patience import PATIENCE_SECONDS, await_that

from loadlab.load.generator.recorder import NO_ANSWER, Recorder
from loadlab.load.locust_plugins.alarm import Alarm
from loadlab.load.locust_plugins.open_user import Open, opened
from loadlab.load.locust_plugins.pacing import Arrival, Pacer, current_arrival, response_seconds, sending
from loadlab.model.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.load.generator.contract import LoadResult

SOON = [0.0, 0.01, 0.02, 0.03]


def requests(user: User, began: float, **more: Any) -> None:
    """Report a request as Locust's clients do."""
    meta = {"request_type": "GET", "name": "/", "response_length": 0, "exception": None, **more}
    elapsed = (time.perf_counter() - began) * 1000
    fire: Any = user.environment.events.request.fire
    fire(response_time=elapsed, start_time=time.time() - elapsed / 1000, **meta)


class Asks(User):
    """A request that takes as long as `pause`."""

    pause = 0.0

    @task
    def ask(self) -> None:
        began = time.perf_counter()
        gevent.sleep(self.pause)
        requests(self, began)


class Load:
    """A Locust of paced users in this process, with what the trial's recorder keeps of it."""

    def __init__(self, kinds: list[type[User]], instants: list[float], users: int, *, in_turn: bool) -> None:
        self.pacer = Pacer(self._in_turn(instants) if in_turn else instants, seed=1)
        events = Events()
        paced = [opened(kind, self.pacer) for kind in kinds]
        self.environment = locust.env.Environment(user_classes=paced, events=events)
        self.recorder = Recorder(paced=True)
        self.recorder.listen(events)
        self.runner = self.environment.create_local_runner()
        self.runner.start(users, spawn_rate=users)
        self.users = users

    def _in_turn(self, instants: list[float]) -> Iterator[float]:
        """Each once the one before is done: late on a busy machine, they would find the only user at work."""
        for instant in instants:
            await_(lambda: not self.pacer.under_way)
            yield instant

    def run(self, seconds: float = 60.0, patience_seconds: float = PATIENCE_SECONDS) -> LoadResult:
        await_(lambda: self.pacer.seats == self.users)
        self.recorder.start(origin := time.monotonic())
        self.pacer.run(origin, seconds)
        self.recorder.unanswered(self.pacer.drain(patience_seconds))
        return self.recorder.result(Window(0.0, seconds), dropped=self.pacer.dropped)


def await_(condition: Any) -> None:
    await_that(condition, pause=gevent.sleep)


@pytest.fixture
def load() -> Iterator[Any]:
    made: list[Load] = []

    def make(*kinds: type[User], instants: list[float], users: int, in_turn: bool = False) -> Load:
        made.append(Load(list(kinds), instants, users, in_turn=in_turn))
        return made[-1]

    yield make
    for one in made:
        one.runner.quit()


def test_each_arrival_runs_one_task_timed_from_when_it_was_due(load: Any) -> None:
    result = load(Asks, instants=SOON, users=4).run()
    assert list(result.requests.due) == pytest.approx(SOON)
    assert result.requests.dropped == type(result.requests.dropped)("d")
    seen = result.requests
    for ended, response, due, sent in zip(seen.ended, seen.response, seen.due, seen.sent, strict=True):
        assert ended - due == pytest.approx(response)
        assert due <= sent <= ended


def test_a_slow_task_keeps_no_later_one_from_starting(load: Any) -> None:
    begun: list[float] = []

    class Slow(User):
        @task
        def ask(self) -> None:
            began = time.perf_counter()
            begun.append(began)
            await_(lambda: len(begun) == 4)
            requests(self, began)

    result = load(Slow, instants=SOON, users=4).run()
    assert len(result.requests) == 4
    assert max(result.requests.sent) < min(result.requests.ended)


def test_an_arrival_without_a_free_user_is_dropped_and_counted(load: Any) -> None:
    class Slow(User):
        @task
        def ask(self) -> None:
            began = time.perf_counter()
            await_(lambda: len(slow.pacer.dropped) == 2)
            requests(self, began)

    slow = load(Slow, instants=SOON, users=2)
    result = slow.run()
    assert len(result.requests) == 2
    assert list(result.requests.dropped) == [0.02, 0.03]


def test_an_unanswered_request_is_a_failure_with_its_time_so_far(load: Any) -> None:
    class Hangs(Asks):
        pause = 1000.0

    result = load(Hangs, instants=[0.0, 0.05], users=2).run(patience_seconds=0.2)
    assert result.failures == {NO_ANSWER: 2}
    assert list(result.requests.failed) == [1.0, 1.0]
    assert all(response >= 0.2 for response in result.requests.response)


@pytest.mark.thorough
def test_every_arrival_is_answered_dropped_or_unanswered_and_none_is_lost(load: Any) -> None:
    class Mixed(User):
        taken = 0

        @task
        def ask(self) -> None:
            Mixed.taken += 1
            began = time.perf_counter()
            gevent.sleep(1000.0 if Mixed.taken % 10 == 0 else 0.005)
            requests(self, began)

    instants = [number / 1000 for number in range(500)]
    result = load(Mixed, instants=instants, users=20).run(patience_seconds=0.5)
    assert sorted([*result.requests.due, *result.requests.dropped]) == pytest.approx(instants)
    assert 0 < result.failures[NO_ANSWER] <= 20


def test_the_second_request_of_a_task_is_not_on_the_schedule(load: Any) -> None:
    class Twice(User):
        @task
        def ask(self) -> None:
            requests(self, time.perf_counter())
            gevent.sleep(0.02)
            requests(self, time.perf_counter())

    result = load(Twice, instants=[0.0, 0.01], users=2).run()
    assert [isnan(due) for due in result.requests.due] == [False, False, True, True]
    seen = result.requests
    for ended, response, sent in list(zip(seen.ended, seen.response, seen.sent, strict=True))[2:]:
        assert response == pytest.approx(ended - sent)


def test_a_wait_time_has_no_say(load: Any) -> None:
    class Thinks(Asks):
        def wait_time(self) -> float:
            return 1000.0

    assert len(load(Thinks, instants=SOON, users=1, in_turn=True).run().requests) == 4


def test_a_task_set_is_one_task_until_it_interrupts_itself(load: Any) -> None:
    class Steps(TaskSet):
        @task
        def step(self) -> None:
            requests(self.user, time.perf_counter())
            self.interrupt()

    class Nested(User):
        tasks = [Steps]  # noqa: RUF012  Locust's own shape

    result = load(Nested, instants=SOON, users=4).run()
    assert list(result.requests.due) == pytest.approx(SOON)


def test_an_error_in_a_task_is_reported_as_locust_does(load: Any) -> None:
    class Breaks(User):
        @task
        def ask(self) -> None:
            raise RuntimeError("boom")

    breaking = load(Breaks, instants=SOON, users=1, in_turn=True)
    errors: list[str] = []
    breaking.environment.events.user_error.add_listener(lambda exception, **_: errors.append(str(exception)))
    breaking.run()
    assert errors == ["boom"] * 4


def test_a_user_that_stops_itself_takes_no_arrival_with_it(load: Any) -> None:
    class Stops(User):
        @task
        def ask(self) -> None:
            requests(self, time.perf_counter())
            raise StopUser

    result = load(Stops, instants=[0.0, 0.05, 0.1], users=2).run()
    assert len(result.requests) == 2
    assert list(result.requests.dropped) == [0.1]


def test_classes_get_arrivals_by_their_weights_however_fast_they_are(load: Any) -> None:
    asked: Counter[str] = Counter()

    class Often(User):
        weight = 3
        pause = 0.0

        def on_start(self) -> None:
            self.pause = 0.02

        @task
        def ask(self) -> None:
            asked[type(self).__name__] += 1
            gevent.sleep(self.pause)

    class Seldom(Often):
        weight = 1

        def on_start(self) -> None:
            self.pause = 0.0

    # So many users that none is dropped, however late they are.
    load(Often, Seldom, instants=[number / 2000 for number in range(400)], users=800).run()
    assert sum(asked.values()) == 400
    assert 0.66 < asked["Often"] / 400 < 0.84  # three in four, give or take four standard deviations


def test_on_start_and_on_stop_are_called_once(load: Any) -> None:
    called: list[str] = []

    class Visits(Asks):
        def on_start(self) -> None:
            called.append("start")

        def on_stop(self) -> None:
            called.append("stop")

    visiting = load(Visits, instants=SOON, users=1)
    visiting.run()
    visiting.runner.quit()
    assert called == ["start", "stop"]


def test_a_step_of_the_wall_clock_moves_no_instant_out_of_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    arrival = Arrival(due=10.0)
    arrival.began = 10.5
    token = current_arrival.set(arrival)
    try:
        wall = time.time()
        for step in (-3600.0, 0.0, 3600.0):
            arrival.first = None
            monkeypatch.setattr(time, "time", lambda step=step: wall + step)
            due, sent = sending(now=12.0, service_seconds=1.0, start_time=wall - 1.2)
            assert due == 10.0
            assert 10.5 <= sent <= 11.0
    finally:
        current_arrival.reset(token)


def test_several_listeners_are_told_the_same_of_one_request() -> None:
    arrival = Arrival(due=10.0)
    arrival.began = 10.5
    token = current_arrival.set(arrival)
    try:
        told = [sending(12.0, 1.0, None) for _ in range(2)]
        assert [one.due for one in told] == [10.0, 10.0]
        assert isnan(sending(13.0, 0.5, None).due)
    finally:
        current_arrival.reset(token)


def test_without_an_arrival_a_response_is_what_locust_says() -> None:
    assert response_seconds(0.25, time.time() - 1.0) == 0.25
    assert isnan(sending(5.0, 1.0, None).due)
    assert sending(5.0, 1.0, None).sent == 4.0


def test_an_alarm_never_rings_early_and_lets_others_run_meanwhile() -> None:
    alarm = Alarm()
    ran: list[float] = []
    other = gevent.spawn(lambda: ran.append(time.monotonic()))
    for _ in range(50):
        instant = time.monotonic() + 0.0007
        alarm.wait_until(instant)
        assert time.monotonic() >= instant
    assert ran
    other.join()
    alarm.close()
    alarm.close()


def test_a_user_class_of_ones_own_is_paced_by_its_rate_alone() -> None:
    class Visitor(Open, Asks):
        rate = 500.0
        arrivals = "uniform"

    events = Events()
    environment = locust.env.Environment(user_classes=[Visitor], events=events)
    recorder = Recorder(paced=True)
    recorder.listen(events)
    runner = environment.create_local_runner()
    # So many that none of the later arrivals is dropped, however late they are.
    runner.start(400, spawn_rate=400)
    await_(lambda: runner.user_count == 400)
    before = len(recorder.ended)
    await_(lambda: len(recorder.ended) >= before + 100)
    pacer = Visitor.pacer
    assert pacer is not None
    runner.quit()
    due = sorted(recorder.due)
    assert [later - earlier for earlier, later in pairwise(due)][-50:] == pytest.approx([0.002] * 50)
    assert Visitor.pacer is None
