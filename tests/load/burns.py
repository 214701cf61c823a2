"""What if the generator itself needs a whole core?"""

import time

from locust import task

from loadlab.load.locust_plugins.user import SiteUser

BURNT_SECONDS = 0.05


class Burns(SiteUser):
    @task
    def burn(self) -> None:
        self.client.get("/entries/5/", name="/entries/")
        until = time.process_time() + BURNT_SECONDS
        while time.process_time() < until:
            pass
