"""Read, write, wait and idle, as real visitors do: how much does a kept connection gain in mixed traffic?"""

import random
from typing import Any

from locust import events, task

from loadlab.load.locust_plugins.options import seconds, weight
from loadlab.load.locust_plugins.user import ENTRIES, SiteUser

WEIGHTS = {"read_one": 60, "read_write": 10, "slow_query": 5, "no_database": 25}


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:  # noqa: ANN401  Locust's own parser
    for name, default in WEIGHTS.items():
        parser.add_argument(
            f"--mixed-{name.replace('_', '-')}",
            type=weight,
            default=default,
            env_var=f"LOADLAB_SCENARIO_MIXED_{name.upper()}",
            help=f"weight of {name} among what visitors ask for (default: {default})",
        )
    parser.add_argument(
        "--mixed-idle-seconds",
        type=seconds,
        default=30.0,
        env_var="LOADLAB_SCENARIO_MIXED_IDLE_SECONDS",
        help="how long one user in four does nothing after each request (default: 30)",
    )


@events.test_start.add_listener
def weigh(environment: Any, **_: Any) -> None:  # noqa: ANN401  Locust's Environment
    weights = {name: getattr(environment.parsed_options, f"mixed_{name}") for name in WEIGHTS}
    for user in (user for user in environment.user_classes if issubclass(user, Visitor)):
        user.tasks = [getattr(user, name) for name, often in weights.items() for _ in range(often)]


class Visitor(SiteUser):
    weight = 3

    @task
    def read_one(self) -> None:
        self.client.get(f"/entries/{random.randint(1, ENTRIES)}/", name="/entries/[number]/")

    @task
    def read_write(self) -> None:
        self.client.post(f"/entries/{random.randint(1, ENTRIES)}/visit/", name="/entries/[number]/visit/")

    @task
    def slow_query(self) -> None:
        self.client.get("/slow/?seconds=0.02", name="/slow/")

    @task
    def no_database(self) -> None:
        self.client.get("/no-database/")


class IdleVisitor(SiteUser):
    """Has read one page, and its browser keeps the connection for the next."""

    def wait_time(self) -> float:
        return self.environment.parsed_options.mixed_idle_seconds

    @task
    def read_one(self) -> None:
        self.client.get(f"/entries/{random.randint(1, ENTRIES)}/", name="/entries/[number]/")
