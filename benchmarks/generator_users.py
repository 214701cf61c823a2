"""The users that the generators' benchmark compares: the same request by each of Locust's clients and by ours."""

from __future__ import annotations

from array import array

from locust import FastHttpUser, HttpUser, constant, events, task

from loadlab.load.http.lean_user import LeanHttpUser
from loadlab.load.locust_plugins.user import KeepAliveOption

EXACT_MS = array("d")


@events.request.add_listener  # type: ignore[untyped-decorator]
def keep_exactly(response_time: float, **_: object) -> None:
    """What a lab needs besides Locust's rounded statistics; all of the users pay for it."""
    EXACT_MS.append(response_time)


class Fast(KeepAliveOption, FastHttpUser):
    wait_time = constant(0)

    @task
    def ask(self) -> None:
        self.client.get("/")


class Requests(KeepAliveOption, HttpUser):
    wait_time = constant(0)

    @task
    def ask(self) -> None:
        self.client.get("/")


class Lean(KeepAliveOption, LeanHttpUser):
    wait_time = constant(0)

    @task
    def ask(self) -> None:
        self.client.get("/")
