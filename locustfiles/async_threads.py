"""Make three queries at once in the event loop's threads: whose connections are they, and who closes them?"""

from locust import task

from loadlab.load.locust_plugins.user import SiteUser

# Three queries are under way at once, each in its own thread: a plan reads this.
CONNECTIONS_PER_REQUEST = 3

# Greenlets and tornado cannot run it, and a plan reads this.
ASYNC_VIEWS = True


class AsyncThreads(SiteUser):
    @task
    def async_threads(self) -> None:
        self.client.get("/async/gather/?seconds=0.01", name="/async/gather/")
