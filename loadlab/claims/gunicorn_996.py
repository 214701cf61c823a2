"""Under an asynchronous worker no request finds a kept connection: each opens one, until PostgreSQL refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, first_refusal, served
from loadlab.lab.behaviour import load
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture

SETTING: Final = served("gevent", aged(60), workers=1)
MOST: Final = 2_000  # requests to wait for a refusal; it comes before the hundredth


class Gunicorn996(Claim):
    """gevent here, where it was eventlet, which gunicorn no longer has: both give each client connection a greenlet."""

    source: ClassVar[str] = (
        "Starefossen, gunicorn issue #996, 20 March 2015: 'new connections to the database"
        " was established for each HTTP request. Even though CONN_MAX_AGE was set to 60 database connections were not"
        " reused'; the same on serverfault.com, question 635100"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        with running_server(SETTING, postgres) as server:
            counts = load(server)
            refusal = first_refusal(server, MOST, published="the maximum is reached")
        requests = postgres.scale.requests
        return (
            BehaviourFigure(
                figure=f"connections opened for {requests} requests",
                published="one for each",
                measured=str(counts["opened"]),
                holds=counts["opened"] == requests and counts["failed"] == 0,
            ),
            BehaviourFigure(
                figure="requests that find a connection open",
                published="none",
                measured=str(counts["reused"]),
                holds=counts["reused"] == 0,
            ),
            refusal,
        )
