"""Request a page that needs no database: how fast is the server mode itself?"""

from locust import task

from loadlab.load.locust_plugins.user import SiteUser


class NoDatabase(SiteUser):
    @task
    def no_database(self) -> None:
        self.client.get("/no-database/")
