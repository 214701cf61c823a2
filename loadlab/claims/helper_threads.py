"""A thread that ends without close() keeps its connection of a pool lent for ever, and depletes the pool."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, served, strategy
from loadlab.lab.application import Extras
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture
    from loadlab.model.behaviour import Setting

SIZE: Final = 3
KEPT_BY_POOL: Final = 1  # Django's pool has a method of the wrapper that made it, whose connection is never garbage
PATH: Final = "/helper-thread/?seconds=0"
ALONE: Final = served("sync", aged(0), "psycopg", workers=1)
POOLED: Final = served(
    "sync", strategy("pool", min_size=SIZE, max_size=SIZE, timeout_seconds=0.5), "psycopg", workers=1
)
FIXED: Final = Extras(apps=("loadlab.fixes.close_on_thread_exit.CloseOnThreadExit",))


class HelperThreads(Claim):
    """A view that queries in a thread of its own: three requests, a garbage collection, and three requests more."""

    source: ClassVar[str] = (
        "psycopg_pool 3.3, documentation of ConnectionPool.getconn(), which Django's pool calls: 'you must call a"
        " corresponding putconn(): failing to do so will deplete the pool'; Django 5.2's pool calls it in close() alone"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        postgres = replace(postgres, scale=replace(postgres.scale, clients=SIZE))
        (left, _), failed_alone = _threads(ALONE, postgres, Extras())
        (_, sessions), failed = _threads(POOLED, postgres, Extras())
        _, failed_fixed = _threads(POOLED, postgres, FIXED)
        return (
            BehaviourFigure(
                figure=f"without a pool: connections that {SIZE} threads leave open, and later requests that fail",
                published="they stay open until they are closed",
                measured=f"{left} until garbage is collected; {failed_alone} of {SIZE}",
                holds=(left, failed_alone) == (SIZE, 0),
            ),
            BehaviourFigure(
                figure=f"with a pool of {SIZE}: sessions after the collection, and later requests that fail",
                published="the pool is depleted",
                measured=f"{sessions}; {failed} of {SIZE}",
                holds=(sessions, failed) == (KEPT_BY_POOL, SIZE),
            ),
            BehaviourFigure(
                figure="the same with the fix close_on_thread_exit: later requests that fail",
                published="putconn() is called",
                measured=f"{failed_fixed} of {SIZE}",
                holds=failed_fixed == 0,
            ),
        )


def _threads(setting: Setting, postgres: PostgresFixture, extras: Extras) -> tuple[tuple[int, int], int]:
    """Connections that as many threads as a pool has connections leave open, before and after a collection of garbage;
    and how many requests fail then.
    """
    with running_server(setting, postgres, extras=extras) as server:
        server.keep_garbage()
        server.clients.ask(PATH)
        left = server.at_rest().open
        server.collect_garbage()
        return (left, server.judge.open_now()), server.clients.ask(PATH)
