"""Asynchronous views leak wherever they query; in the loop's executor, CONN_MAX_AGE and health checks do nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, served
from loadlab.lab.application import Extras
from loadlab.lab.behaviour import load, restart
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture

KEPT: Final = served("asgi", aged(600))
CLOSED: Final = served("asgi", aged(0))
CHECKED: Final = {"CONN_HEALTH_CHECKS": True}
UNSAFE: Final = Extras(environment={"DJANGO_ALLOW_ASYNC_UNSAFE": "true"})
SENSITIVE_PATH: Final = "/async/sensitive/?seconds=0.01"
INSENSITIVE_PATH: Final = "/async/insensitive/?seconds=0.01"
UNSAFE_PATH: Final = "/async/unsafe/?seconds=0.01"
MOST_THREADS: Final = 32  # of an executor that is told nothing else, and never more than the cores and four
MORE_THAN_CORES: Final = 4


class ThreadSensitive(Claim):
    """uvicorn, and a view that queries in its request's thread, in any thread, or in that of the event loop."""

    source: ClassVar[str] = (
        "Django ticket #33497, documented by Carlton Gibson on 13 March 2025: 'Persistent database connections [...]"
        " should also be disabled in async mode'; ryans-posthog, PostHog/posthog pull request #57839, 6 May 2026, of"
        " thread_sensitive=False: 'stale connections accumulate per thread until queries start failing'"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        return (*_sensitive(postgres), *_insensitive(postgres), *_unsafe(postgres))


def _sensitive(postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
    with running_server(KEPT, postgres) as server:
        counts = load(server, SENSITIVE_PATH)
    opened, left = counts["opened"], counts["left_open"]
    return (
        BehaviourFigure(
            figure=f"thread_sensitive=True, CONN_MAX_AGE = 600: connections for {postgres.scale.requests} requests",
            published="persistent connections should be disabled",
            measured=f"{opened} opened, {counts['reused']} found again, {left} left open",
            holds=(opened, counts["reused"], counts["failed"]) == (postgres.scale.requests, 0, 0) and left > 0,
        ),
    )


def _insensitive(postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
    with running_server(CLOSED, postgres, CHECKED) as server:
        counts = load(server, INSENSITIVE_PATH)
        warm, _, later = restart(server, INSENSITIVE_PATH)
    opened, left = counts["opened"], counts["left_after_collection"]
    threads = min(MOST_THREADS, (os.cpu_count() or 1) + MORE_THAN_CORES)
    clients = postgres.scale.clients
    return (
        BehaviourFigure(
            figure=f"thread_sensitive=False, CONN_MAX_AGE = 0: connections for {postgres.scale.requests} requests",
            published="they accumulate per thread",
            measured=f"{opened} opened, {left} left open, by at most {threads} threads",
            holds=0 < opened == left <= threads and counts["failed"] == 0,
        ),
        BehaviourFigure(
            figure=f"the same with health checks: requests of {clients} that still fail long after a restart",
            published="until queries start failing",
            measured=f"{later}, with {warm} connections before it",
            holds=later > 0 < warm,
        ),
    )


def _unsafe(postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
    with running_server(CLOSED, postgres) as server:
        refused = server.clients.ask(UNSAFE_PATH)
    with running_server(CLOSED, postgres, extras=UNSAFE) as server:
        counts = load(server, UNSAFE_PATH)
    opened, left, requests = counts["opened"], counts["left_open"], postgres.scale.requests
    return (
        BehaviourFigure(
            figure=f"in the event loop: requests of {postgres.scale.clients} that Django refuses",
            published="SynchronousOnlyOperation",
            measured=str(refused),
            holds=refused == postgres.scale.clients,
        ),
        BehaviourFigure(
            figure=f"with DJANGO_ALLOW_ASYNC_UNSAFE, CONN_MAX_AGE = 0: connections for {requests} requests",
            published="async-unsafe",
            measured=f"{opened} opened, {left} left open",
            holds=opened == requests and left > 0,
        ),
    )
