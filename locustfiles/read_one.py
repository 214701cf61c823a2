"""Read one row: what does the smallest request that needs a connection cost?"""

import random

from locust import task

from loadlab.load.locust_plugins.user import ENTRIES, SiteUser


class ReadOne(SiteUser):
    @task
    def read_one(self) -> None:
        self.client.get(f"/entries/{random.randint(1, ENTRIES)}/", name="/entries/[number]/")
