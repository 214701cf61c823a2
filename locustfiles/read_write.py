"""Read, update and insert in one transaction: how much does connecting weigh next to real work?"""

import random

from locust import task

from loadlab.load.locust_plugins.user import ENTRIES, SiteUser


class ReadWrite(SiteUser):
    @task
    def visit(self) -> None:
        self.client.post(f"/entries/{random.randint(1, ENTRIES)}/visit/", name="/entries/[number]/visit/")
