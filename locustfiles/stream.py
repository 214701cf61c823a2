"""Stream a response whose generator queries after the view has returned: is its connection closed in the end?"""

import random

from locust import task

from loadlab.load.locust_plugins.user import ENTRIES, SiteUser


class Stream(SiteUser):
    @task
    def stream(self) -> None:
        self.client.get(f"/stream/entries/{random.randint(1, ENTRIES)}/", name="/stream/entries/[number]/")
