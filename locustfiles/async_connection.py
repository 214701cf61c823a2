"""Query on a connection of the event loop's own, where the engine has one: what does it gain over a thread's?"""

from locust import task

from loadlab.load.locust_plugins.user import SiteUser

# Greenlets and tornado cannot run it, and a plan reads this.
ASYNC_VIEWS = True


class AsyncConnection(SiteUser):
    @task
    def async_connection(self) -> None:
        self.client.get("/async/connection/?seconds=0.01", name="/async/connection/")
