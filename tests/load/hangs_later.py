"""A Locust file whose tasks get an answer to their first request, and none to their second."""

from locust import task

from loadlab.load.generator import driving
from loadlab.load.http.lean_user import LeanHttpUser

driving.DRAIN_SECONDS = 2.0  # type: ignore[misc]  of this load process, which need not wait longer


class Visitor(LeanHttpUser):
    @task
    def ask(self) -> None:
        self.client.get("/")
        self.client.get("/hangs")
