"""With gevent in production, CONN_MAX_AGE brought no gain and many more open connections, and was taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, served
from loadlab.lab.behaviour import load
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture

CLOSED: Final = served("gevent", aged(0))
KEPT: Final = served("gevent", aged(500))


class Commcare2429(Claim):
    """Both halves of the report, as counts: what is never found again cannot save time, and is more and more."""

    source: ClassVar[str] = (
        "snopoke, dimagi/commcare-cloud pull request #2429, 21 November 2018, of CONN_MAX_AGE = 500 under"
        " gunicorn's gevent worker: 'I'm not seeing any improvement in performance and the large increase in open"
        " connections could cause issues on db hosts'"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        with running_server(CLOSED, postgres) as server:
            closed = load(server)
        with running_server(KEPT, postgres) as server:
            kept = load(server)
        return (
            BehaviourFigure(
                figure=f"requests of {postgres.scale.requests} that are spared connecting at CONN_MAX_AGE = 500",
                published="no improvement",
                measured=str(kept["reused"]),
                holds=kept["reused"] == 0,
            ),
            BehaviourFigure(
                figure="connections open at one instant, at 0 and at 500",
                published="a large increase",
                measured=f"{closed['peak']} and {kept['peak']}",
                holds=kept["peak"] > closed["peak"],
            ),
            BehaviourFigure(
                figure="connections left open, at 0 and at 500",
                published="gevent can leak connections",
                measured=f"{closed['left_open']} and {kept['left_open']}",
                holds=closed["left_open"] == 0 < kept["left_open"],
            ),
        )
