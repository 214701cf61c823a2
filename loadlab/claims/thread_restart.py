"""After a restart of the database, one request fails and the next one succeeds: for each connection that was open."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim
from loadlab.lab.behaviour import restart
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure, Setting
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture

WORKERS: Final = 2
SETTING: Final = Setting(
    server=config_of(SERVERS, "sync", {"workers": WORKERS}, "server"),
    strategy=config_of(STRATEGIES, "max_age", {"max_age": 600}, "strategy"),
    driver="psycopg2",
    keep_alive=False,
)


class ThreadRestart(Claim):
    """gunicorn with two sync workers and the thread's ten minutes, each worker with its connection open."""

    source: ClassVar[str] = (
        "Aymeric Augustin, 'Persistent connections, take 2', django-developers, 27 February 2013:"
        " 'I've done some manual testing with gunicorn. Django recovers as expected after a database restart,"
        " ie. one request fails and the next one succeeds.'"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        with running_server(SETTING, postgres) as server:
            warm, failed, later = restart(server)
        return (
            BehaviourFigure(
                figure="requests that fail, with a connection open in each of two workers",
                published="one for each",
                measured=f"{failed}, with {warm} open",
                holds=failed == warm == WORKERS,
            ),
            BehaviourFigure(
                figure="requests that fail after those",
                published="none: the next one succeeds",
                measured=str(later),
                holds=later == 0,
            ),
        )
