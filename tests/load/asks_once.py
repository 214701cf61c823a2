"""A Locust file as anybody's: a task, a pause that an open load has no use for."""

from locust import constant, task

from loadlab.load.locust_plugins.user import SiteUser


class Visitor(SiteUser):
    wait_time = constant(0)

    @task
    def ask(self) -> None:
        self.client.get("/")
