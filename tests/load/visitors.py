"""A Locust file that uses most of what a user may do between requests; run by Locust itself."""

from __future__ import annotations

import gevent
from locust import SequentialTaskSet, TaskSet, constant, events, tag, task
from locust.exception import RescheduleTask, StopUser

from loadlab.load.http.lean_user import LeanHttpUser
from loadlab.load.locust_plugins.user import KeepAliveOption

ROUNDS = 150


class Steps(SequentialTaskSet):
    @task
    def one(self) -> None:
        self.client.get("/step/1")

    @task
    def two(self) -> None:
        self.client.get("/step/2")
        self.interrupt(reschedule=False)


class Nested(TaskSet):
    def on_start(self) -> None:
        self.client.get("/nested/start")

    def on_stop(self) -> None:
        self.client.get("/nested/stop")

    @task
    def leave(self) -> None:
        self.wait()
        self.interrupt()


class Visitor(KeepAliveOption, LeanHttpUser):
    """Leaves by itself: a user that Locust stops may be in the middle of a request, which then counts nowhere."""

    wait_time = constant(0.002)
    tasks = [Steps, Nested]  # noqa: RUF012  Locust's own shape
    rounds = 0
    gone = 0

    def on_start(self) -> None:
        self.client.post("/login", json={"user": "me"})

    def on_stop(self) -> None:
        self.client.post("/logout")
        Visitor.gone += 1
        if Visitor.gone == self.environment.parsed_options.num_users:
            gevent.spawn(self.environment.runner.quit)

    def leave_in_time(self) -> None:
        self.rounds += 1
        if self.rounds == ROUNDS:
            raise StopUser

    @task(8)
    def often(self) -> None:
        self.client.get("/often?page=1", name="/often")
        self.leave_in_time()

    @task(1)
    def seldom(self) -> None:
        with self.client.get("/seldom", catch_response=True) as response:
            if response.status_code == 404:
                response.success()
        self.wait()
        self.leave_in_time()

    @task(1)
    def broken(self) -> None:
        if not self.client.get("/broken").ok:
            raise RescheduleTask

    @tag("left-out")
    @task(50)
    def left_out(self) -> None:
        self.client.get("/left-out")


@events.quitting.add_listener
def leave_with_success(environment: object, **_: object) -> None:
    """Failures are what some of these requests are for."""
    environment.process_exit_code = 0  # type: ignore[attr-defined]
