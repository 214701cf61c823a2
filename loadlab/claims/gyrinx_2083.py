"""Under ASGI no connection is ever reused, kept or not: CONN_MAX_AGE does nothing there but leak."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, served
from loadlab.lab.behaviour import load
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture

KEPT: Final = served("asgi", aged(60))
CLOSED: Final = served("asgi", aged(0))
CLIENTS: Final = 10
REQUESTS: Final = 100


class Gyrinx2083(Claim):
    """uvicorn here, where it was daphne: it is Django's handler that gives each request its own thread.

    How many of the leaked connections are still open at the end is up to the garbage collection, so that their number
    need not be the published one; that there are some, and none at CONN_MAX_AGE = 0, is the claim.
    """

    source: ClassVar[str] = (
        "tgvashworth, gyrinx-app/gyrinx pull request #2083, 28 July 2026: '100 requests → 40 leaked"
        " connections with CONN_MAX_AGE=60, 0 with the default — and zero connection reuse in either arm'"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        postgres = replace(postgres, scale=replace(postgres.scale, clients=CLIENTS, each=REQUESTS // CLIENTS))
        with running_server(KEPT, postgres) as server:
            kept = load(server)
        with running_server(CLOSED, postgres) as server:
            closed = load(server)
        reused = (kept["reused"], closed["reused"])
        return (
            BehaviourFigure(
                figure=f"connections that {REQUESTS} requests leave open at CONN_MAX_AGE = 60",
                published="40",
                measured=f"{kept['left_open']}, and {kept['left_after_collection']} once garbage is collected",
                holds=kept["left_open"] > 0 == kept["left_after_collection"],
            ),
            BehaviourFigure(
                figure=f"connections that {REQUESTS} requests leave open at CONN_MAX_AGE = 0",
                published="0",
                measured=str(closed["left_open"]),
                holds=closed["left_open"] == 0 == closed["failed"],
            ),
            BehaviourFigure(
                figure="requests that find a connection open, at 60 and at 0",
                published="0 and 0",
                measured="{} and {}".format(*reused),
                holds=reused == (0, 0),
            ),
        )
