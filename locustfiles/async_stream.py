"""Stream from an async generator that queries after the view has returned: is its connection closed in the end?"""

import random

from locust import task

from loadlab.load.locust_plugins.user import ENTRIES, SiteUser

# Greenlets and tornado cannot run it, and a plan reads this.
ASYNC_VIEWS = True


class AsyncStream(SiteUser):
    @task
    def async_stream(self) -> None:
        self.client.get(f"/async/entries/{random.randint(1, ENTRIES)}/stream/", name="/async/entries/[number]/stream/")
