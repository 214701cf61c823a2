"""A Locust file with a fault in its task."""

from locust import task

from loadlab.load.locust_plugins.user import SiteUser


class Visitor(SiteUser):
    @task
    def ask(self) -> None:
        self.client.get("/")
        raise KeyError("id")
