"""A Locust file that keeps exact latencies; run by Locust itself, alone or over workers."""

from __future__ import annotations

import os

import gevent
from locust import FastHttpUser, constant, task

from loadlab.load.locust_plugins.latency_log import keep_latency

keep_latency(os.environ["LATENCY_LOG"])


class Visitor(FastHttpUser):
    wait_time = constant(0.01)

    @task(3)
    def page(self) -> None:
        self.client.get("/page, first", name="/page, first")

    @task
    def fails(self) -> None:
        self.client.get("/fails")

    def on_stop(self) -> None:
        if "GOODBYE_SECONDS" in os.environ:
            gevent.sleep(float(os.environ["GOODBYE_SECONDS"]))
            self.client.get("/goodbye")
