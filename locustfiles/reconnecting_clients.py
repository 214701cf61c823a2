"""Hang up after every n-th request, as proxies do: how many kept connections are found again?"""

import itertools
import random
from typing import Any

from locust import events, task

from loadlab.load.locust_plugins.options import count
from loadlab.load.locust_plugins.user import CLOSE, ENTRIES, SiteUser


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:  # noqa: ANN401  Locust's own parser
    parser.add_argument(
        "--reconnect-every",
        type=count,
        default=1,
        env_var="LOADLAB_SCENARIO_RECONNECT_EVERY",
        help="requests per client connection, even where clients keep theirs (default: 1)",
    )


class ReconnectingClient(SiteUser):
    def on_start(self) -> None:
        self.requests = itertools.count(1)

    @task
    def read_one(self) -> None:
        hangs_up = next(self.requests) % self.environment.parsed_options.reconnect_every == 0
        number = random.randint(1, ENTRIES)
        self.client.get(f"/entries/{number}/", name="/entries/[number]/", headers=CLOSE if hangs_up else {})
