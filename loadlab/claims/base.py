"""What a claim is: something that was published, and a way to find out whether it is so here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from loadlab.lab.behaviour import until_refused
from loadlab.model.behaviour import BehaviourFigure, Setting
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture, RunningServer
    from loadlab.model.config import Config, Scalar


class Claim(ABC):
    """Base of the family. The first line of a member's module says the claim, `source` who made it, where and when.

    `needs_pgbouncer` says that it cannot be tried without.
    """

    source: ClassVar[str]
    needs_pgbouncer: ClassVar[bool] = False

    @abstractmethod
    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        """The published figures next to those of servers that it starts on `postgres`.

        Counts, and no times unless time is what the claim is about: only counts are the same on any machine.
        `loadlab.lab.fixture.running_server` gives a server with its clients, `loadlab.lab.behaviour` what provokes it.
        """


def strategy(name: str, **parameters: Scalar) -> Config:
    """One strategy, its other parameters as they are by default."""
    return config_of(STRATEGIES, name, parameters, "strategy")


def served(mode: str, how: Config, driver: str = "psycopg2", **parameters: Scalar) -> Setting:
    """A server mode with some of its parameters and a strategy, for clients that keep no connection."""
    server = config_of(SERVERS, mode, parameters, "server")
    return Setting(server=server, strategy=how, driver=driver, keep_alive=False)


def aged(max_age: float | None) -> Config:
    """Django's own way, with this CONN_MAX_AGE."""
    return strategy("max_age", max_age=max_age)


def first_refusal(server: RunningServer, most: int, *, published: str) -> BehaviourFigure:
    """After how many requests PostgreSQL refuses a connection, if it does so within the first `most`."""
    refused = until_refused(server, most)
    return BehaviourFigure(
        figure=f"requests until PostgreSQL refuses one, with {server.scale.free} connections left",
        published=published,
        measured=f"none of {most}" if refused is None else f"at most {refused}",
        holds=refused is not None,
    )
