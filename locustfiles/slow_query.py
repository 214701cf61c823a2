"""Hold a connection for 20 ms in the database: how many are needed at once when queries are slow?"""

from locust import task

from loadlab.load.locust_plugins.user import SiteUser


class SlowQuery(SiteUser):
    @task
    def slow_query(self) -> None:
        self.client.get("/slow/?seconds=0.02", name="/slow/")
