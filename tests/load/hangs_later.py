"""A Locust file whose tasks get an answer to their first request, and none to their second."""

from locust import task

from loadlab.load.http.lean_user import LeanHttpUser


class Visitor(LeanHttpUser):
    @task
    def ask(self) -> None:
        self.client.get("/")
        self.client.get("/hangs")
