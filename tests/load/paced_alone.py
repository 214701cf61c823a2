"""A Locust file that keeps to a schedule; run by Locust itself, alone or over workers."""

from __future__ import annotations

import os
from typing import Literal

from locust import FastHttpUser, task

from loadlab.load.locust_plugins.latency_log import keep_latency
from loadlab.load.locust_plugins.open_user import Open

keep_latency(os.environ["LATENCY_LOG"])


class Visitor(Open, FastHttpUser):
    rate = 50.0
    arrivals: Literal["poisson", "uniform"] = "uniform"

    @task
    def page(self) -> None:
        self.client.get("/")
