"""Django's own pool answers several times as many requests per second as a connection for each request does."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, served, strategy
from loadlab.lab import fixture
from loadlab.lab.flood_client import send_flood
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture

POOLED: Final = served("sync", strategy("pool", min_size=4, max_size=4), "psycopg", workers=2)  # psycopg's own sizes
OPENED: Final = served("sync", aged(0), "psycopg", workers=2)
PATH: Final = "/entries/1/"
CLIENTS: Final = 50
REQUESTS: Final = 100  # of one load
PAIRS: Final = 7
SEVERAL: Final = 2.0


class PeterbePool(Claim):
    """The one case that is timed: both servers run side by side, and are loaded in turn, pair after pair.

    A pair shares what else the machine is doing, so that its ratio says more than the two rates. PostgreSQL asks for a
    password by SCRAM, as in production; the published settings have none. Yet the published rates make a connection
    cost eight milliseconds, and that is what SCRAM makes of it here: without a password, it is a quarter.
    """

    source: ClassVar[str] = (
        "Peter Bengtsson, 'Native connection pooling in Django 5 with PostgreSQL', peterbe.com: gunicorn with two"
        " workers, PostgreSQL beside it, oha with its 50 connections: 194.8 requests/s without a pool, 1,054.5 with one"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        with (
            fixture.postgres_fixture(None, lambda _: None, postgres.scale, auth="scram") as own,
            # Neither server has a connection open before its first request.
            fixture.running_server(POOLED, own) as pooled,
            fixture.running_server(OPENED, own) as opened,
        ):
            ports = (pooled.application.port, opened.application.port)
            for port in ports:
                _rate(port)  # what a server does only once is not what is compared
            pairs = [[_rate(port) for port in ports] for _ in range(PAIRS)]
        ratios = sorted(pool / none for pool, none in pairs)
        median = statistics.median(ratios)
        return (
            BehaviourFigure(
                figure="requests per second with the pool, without it = 1",
                published="5.4",
                measured=f"{median:.1f} ({ratios[0]:.1f}–{ratios[-1]:.1f} in {PAIRS} pairs)",
                holds=median > SEVERAL,
            ),
        )


def _rate(port: int) -> float:
    """Requests that were answered, per second."""
    started = time.monotonic()
    failed = send_flood(port, PATH, at_once=CLIENTS, requests=REQUESTS)
    return (REQUESTS - failed) / (time.monotonic() - started)
