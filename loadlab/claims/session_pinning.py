"""Persistent clients pin PgBouncer's session pool: only as many are served as it has connections."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, served, strategy
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture
    from loadlab.model.config import Scalar

POOL_SIZE: Final = 5
THREADS: Final = 16
WAIT_SECONDS: Final = 3.0  # query_wait_timeout: two minutes, unless PgBouncer is told otherwise
HOLDING_PATH: Final = "/slow/?seconds=1"  # until all have come: none may find a thread that has served
PATH: Final = "/slow/?seconds=0.01"
SESSION: Final[dict[str, Scalar]] = {
    "pool_mode": "session",
    "pool_size": POOL_SIZE,
    "query_wait_timeout_seconds": WAIT_SECONDS,
}
PINNED: Final = served("gthread", strategy("pgbouncer", **SESSION, max_age=600), workers=1, threads=THREADS)
GIVEN_BACK: Final = served("gthread", strategy("pgbouncer", **SESSION, max_age=0), workers=1, threads=THREADS)


class SessionPinning(Claim):
    """A gthread worker with more threads than the pool has connections, and a request for each thread at once."""

    source: ClassVar[str] = (
        "tomasfarias, goauthentik/authentik issue #9152, 18 June 2024: 'the incompatible setting is query_wait_timeout"
        " acting in combination with session pool mode'; 'changing CONN_MAX_AGE to 0': 'have been running without"
        " issues'"
    )
    needs_pgbouncer: ClassVar[bool] = True

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        postgres = replace(postgres, scale=replace(postgres.scale, clients=THREADS))
        with running_server(PINNED, postgres) as server:
            served_first = THREADS - server.clients.ask(HOLDING_PATH)
            waited = server.bouncer.judge.counts().refused if server.bouncer else 0
            sessions = server.judge.open_now()
        with running_server(GIVEN_BACK, postgres) as server:
            served_in_turn = THREADS - server.clients.ask(PATH)
        return (
            BehaviourFigure(
                figure=f"requests of {THREADS} that are answered at CONN_MAX_AGE = 600, with {POOL_SIZE} connections",
                published="query_wait_timeout for the others",
                measured=f"{served_first}; {waited} wait in vain",
                holds=(served_first, waited) == (POOL_SIZE, THREADS - POOL_SIZE),
            ),
            BehaviourFigure(
                figure="sessions in PostgreSQL meanwhile, all of them idle",
                published="the pool's size",
                measured=str(sessions),
                holds=sessions == POOL_SIZE,
            ),
            BehaviourFigure(
                figure=f"requests of {THREADS} that are answered at CONN_MAX_AGE = 0",
                published="all",
                measured=str(served_in_turn),
                holds=served_in_turn == THREADS,
            ),
        )
