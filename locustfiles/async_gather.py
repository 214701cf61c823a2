"""Ask for three rows at once by the ORM's async methods: how many connections does that take?"""

import random

from locust import task

from loadlab.load.locust_plugins.user import ENTRIES, SiteUser

# Greenlets and tornado cannot run it, and a plan reads this.
ASYNC_VIEWS = True


class AsyncGather(SiteUser):
    @task
    def async_gather(self) -> None:
        self.client.get(f"/async/entries/{random.randint(1, ENTRIES)}/gather/", name="/async/entries/[number]/gather/")
