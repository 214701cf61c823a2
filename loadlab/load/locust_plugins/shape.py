"""The load shape that scenarios derive from: how many users there are at each moment, until the run time ends."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from locust import LoadTestShape, events

if TYPE_CHECKING:
    from argparse import Namespace

USERS = 8  # without --users; Locust's own default of 1 makes no shape


class SiteShape(LoadTestShape):
    """Obeys --users, as the most there ever are, and --run-time. Locust asks a shape once a second, and no oftener."""

    abstract = True
    use_common_options = True

    @property
    def options(self) -> Namespace:
        """All that Locust was told."""
        environment: Any = self.runner and self.runner.environment
        options: Namespace = environment.parsed_options
        return options

    @abstractmethod
    def users_at(self, instant: float, users: int) -> int:
        """How many of all `users` there are, `instant` seconds after the start."""

    def tick(self) -> tuple[int, float] | None:
        instant: float = self.get_run_time()  # type: ignore[no-untyped-call]
        if self.options.run_time and instant >= self.options.run_time:
            return None
        users = self.options.num_users
        return self.users_at(instant, users), users  # as many per second as there are at most: all at once


@events.init.add_listener  # type: ignore[untyped-decorator]
def give_users(environment: Any, **_: Any) -> None:  # noqa: ANN401  Locust's Environment; importing it here is circular
    """Set the default number of users, unless one is given."""
    options = environment.parsed_options
    if isinstance(environment.shape_class, SiteShape) and options.num_users is None:
        options.num_users = USERS
