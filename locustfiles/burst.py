"""Rest longer than CONN_MAX_AGE, then send all at once: what does a spike cost when all connections are too old?"""

import random
from typing import Any

from locust import events, task

from loadlab.load.locust_plugins.options import seconds
from loadlab.load.locust_plugins.shape import SiteShape
from loadlab.load.locust_plugins.user import ENTRIES, SiteUser


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:  # noqa: ANN401  Locust's own parser
    parser.add_argument(
        "--burst-seconds",
        type=seconds,
        default=1.0,
        env_var="LOADLAB_SCENARIO_BURST_SECONDS",
        help="how long a spike lasts (default: 1)",
    )
    parser.add_argument(
        "--burst-gap-seconds",
        type=seconds,
        default=2.0,
        env_var="LOADLAB_SCENARIO_BURST_GAP_SECONDS",
        help="how long no request is sent after it; longer than the age under test (default: 2)",
    )


class Burst(SiteShape):
    def users_at(self, instant: float, users: int) -> int:
        options = self.options
        cycle = options.burst_seconds + options.burst_gap_seconds
        return users if not cycle or instant % cycle < options.burst_seconds else 0


class Visitor(SiteUser):
    @task
    def read_one(self) -> None:
        self.client.get(f"/entries/{random.randint(1, ENTRIES)}/", name="/entries/[number]/")
