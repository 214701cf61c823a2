"""Climb a staircase of users: from how many on does the site get slower instead of faster?"""

import logging
import math
import random
import time
from typing import Any

from locust import events, task

from loadlab.load.locust_plugins.options import count, seconds
from loadlab.load.locust_plugins.shape import SiteShape
from loadlab.load.locust_plugins.staircase import Staircase
from loadlab.load.locust_plugins.user import ENTRIES, SiteUser

staircase = Staircase()


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:  # noqa: ANN401  Locust's own parser
    parser.add_argument(
        "--steps",
        type=count,
        default=4,
        env_var="LOADLAB_SCENARIO_STEPS",
        help="how many steps lead up to all users (default: 4)",
    )
    parser.add_argument(
        "--step-seconds",
        type=seconds,
        default=0.0,
        env_var="LOADLAB_SCENARIO_STEP_SECONDS",
        help="how long each lasts (default: 0, which is an equal share of the run time, or 10 where none is given)",
    )


class Steps(SiteShape):
    def reset_time(self) -> None:
        """As Locust does at each start."""
        super().reset_time()
        staircase.clear()

    def users_at(self, instant: float, users: int) -> int:
        options = self.options
        length = options.step_seconds or (options.run_time or 10 * options.steps) / options.steps
        step = min(options.steps, 1 + int(instant / length))
        climbed = math.ceil(users * step / options.steps)
        staircase.stand(climbed, time.monotonic())
        return climbed


@events.request.add_listener
def record(response_time: float, **_: Any) -> None:  # noqa: ANN401  as Locust calls it
    staircase.add(response_time or 0.0, time.monotonic())


@events.test_stop.add_listener
def tell(**_: Any) -> None:  # noqa: ANN401
    for line in staircase.lines():
        logging.getLogger("steps").info(line)


class Visitor(SiteUser):
    @task
    def read_one(self) -> None:
        self.client.get(f"/entries/{random.randint(1, ENTRIES)}/", name="/entries/[number]/")
