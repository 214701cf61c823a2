"""Use two aliases in each request: what does every connection cost when there are twice as many?"""

import random

from locust import task

from loadlab.load.locust_plugins.user import ENTRIES, SiteUser

# What a server mode can use at once is counted in connections, and a plan reads this.
CONNECTIONS_PER_REQUEST = 2


class MultiDatabase(SiteUser):
    @task
    def read_twice(self) -> None:
        self.client.get(f"/entries/{random.randint(1, ENTRIES)}/twice/", name="/entries/[number]/twice/")
