"""Think between requests: how many connections do idle users hold?"""

import random
from typing import Any

from locust import events, task

from loadlab.load.locust_plugins.options import seconds
from loadlab.load.locust_plugins.user import ENTRIES, SiteUser


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:  # noqa: ANN401  Locust's own parser
    parser.add_argument(
        "--think-seconds",
        type=seconds,
        default=1.0,
        env_var="LOADLAB_SCENARIO_THINK_SECONDS",
        help="mean time between an answer and the next request, exponentially distributed (default: 1)",
    )


class Reader(SiteUser):
    def wait_time(self) -> float:
        mean = self.environment.parsed_options.think_seconds
        return random.expovariate(1 / mean) if mean else 0.0

    @task
    def read_one(self) -> None:
        self.client.get(f"/entries/{random.randint(1, ENTRIES)}/", name="/entries/[number]/")
