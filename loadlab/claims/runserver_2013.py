"""runserver has a thread for each request: nothing is reused, and stays open until it is garbage collected."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, first_refusal, served
from loadlab.lab.behaviour import load
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture

SETTING: Final = served("threaded", aged(600))
MOST: Final = 2_000  # requests to wait for a refusal; it comes before the hundredth


class Runserver2013(Claim):
    """Django's development server of today, with the ten minutes of the thread of 2013."""

    source: ClassVar[str] = (
        "Aymeric Augustin, 'Persistent connections, take 2', django-developers, 18 March 2013: 'Not only does this"
        " negate the effect of persistent connections (they're thread-local), but it also keeps connections open until"
        " they're garbage collected, making it easy to exceed the maximum number of available connections.'"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        with running_server(SETTING, postgres) as server:
            counts = load(server)
            refusal = first_refusal(server, MOST, published="it is easy to exceed the maximum")
        requests = postgres.scale.requests
        return (
            BehaviourFigure(
                figure=f"requests of {requests} that find a connection open",
                published="none",
                measured=str(counts["reused"]),
                holds=counts["reused"] == 0 and counts["opened"] == requests,
            ),
            BehaviourFigure(
                figure="connections open when all is answered",
                published="some, until they are garbage collected",
                measured=f"{counts['left_open']}, and {counts['left_after_collection']} after the collection",
                holds=counts["left_open"] > 0 == counts["left_after_collection"],
            ),
            refusal,
        )
