"""A Locust file whose users wait for an answer that never comes, or wait without having asked for anything."""

import time

import gevent
from locust import FastHttpUser, HttpUser, constant, task

from loadlab.load.http.lean_user import LeanHttpUser

LONG_SECONDS = 1000.0


class Lean(LeanHttpUser):
    @task
    def ask(self) -> None:
        self.client.get("/hangs")


class Fast(FastHttpUser):
    @task
    def ask(self) -> None:
        with self.client.get("/hangs", catch_response=True) as response:
            response.success()


class Plain(HttpUser):
    @task
    def ask(self) -> None:
        self.client.get("/hangs")


class Spawning(FastHttpUser):
    @task
    def ask(self) -> None:
        gevent.joinall([gevent.spawn(self.client.get, "/hangs"), gevent.spawn(gevent.sleep, LONG_SECONDS)])


class Pausing(LeanHttpUser):
    @task
    def ask(self) -> None:
        self.client.get("/")
        gevent.sleep(LONG_SECONDS)


class Judging(FastHttpUser):
    @task
    def ask(self) -> None:
        with self.client.get("/", catch_response=True) as response:
            time.sleep(LONG_SECONDS)
            response.success()


class Answered(LeanHttpUser):
    wait_time = constant(0.05)

    @task
    def ask(self) -> None:
        self.client.get("/")
