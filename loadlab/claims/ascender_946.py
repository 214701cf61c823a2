"""A kept connection for each worker instead of one for each request: five sessions for fifty requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, served
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture
    from loadlab.model.behaviour import Setting

WORKERS: Final = 5
EACH: Final = 10
REQUESTS: Final = WORKERS * EACH
CLOSED: Final = served("sync", aged(0), workers=WORKERS)
KEPT: Final = served("sync", aged(60), workers=WORKERS)
# Long enough that a worker without a request soon gets one: all the others are busy with theirs.
PATH: Final = "/slow/?seconds=0.05"


class Ascender946(Claim):
    """gunicorn's sync workers here, where it was uWSGI's: both are processes that take one request at a time.

    Both count by pg_stat_database.sessions, before and after. The lab reads it from another database: to read it
    from the same one opens a session, which may be the published fifty-first.
    """

    source: ClassVar[str] = (
        "blaipr, ctrliq/ascender pull request #946, 12 September 2026: '50 requests to /api/v2/ping/, today: 51"
        " database sessions'; with CONN_MAX_AGE = 60 'the same fifty requests then open 5 sessions, one per uwsgi"
        " worker'"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        postgres = replace(postgres, scale=replace(postgres.scale, clients=WORKERS, each=EACH))
        closed, kept = _sessions(CLOSED, postgres), _sessions(KEPT, postgres)
        return (
            BehaviourFigure(
                figure=f"sessions of {REQUESTS} requests at CONN_MAX_AGE = 0",
                published="51, with one of the reader's own",
                measured=f"{closed}, without any",
                holds=closed == REQUESTS,
            ),
            BehaviourFigure(
                figure=f"sessions of {REQUESTS} requests at CONN_MAX_AGE = 60, with {WORKERS} workers",
                published="5",
                measured=str(kept),
                holds=kept == WORKERS,
            ),
        )


def _sessions(setting: Setting, postgres: PostgresFixture) -> int:
    """By how many the database's count of sessions has grown over the requests."""
    with running_server(setting, postgres) as server:
        before = server.judge.opened()
        server.clients.ask(PATH, server.scale.each)
        server.at_rest()
        return server.judge.opened() - before
