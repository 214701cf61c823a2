"""Read one row by the ORM's async methods: does an async view find a kept connection?"""

import random

from locust import task

from loadlab.load.locust_plugins.user import ENTRIES, SiteUser

# Greenlets and tornado cannot run it, and a plan reads this.
ASYNC_VIEWS = True


class AsyncOrm(SiteUser):
    @task
    def async_orm(self) -> None:
        self.client.get(f"/async/entries/{random.randint(1, ENTRIES)}/", name="/async/entries/[number]/")
