"""A site in production, as three scrapers see it: its own metrics, PostgreSQL's, and PgBouncer's."""

from __future__ import annotations

import os
import shutil
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families
from psycopg2.extensions import make_dsn

from dashboards.evidence.api import Answer
from loadlab.claims.base import aged, served, strategy
from loadlab.errors import EnvironmentFaultError
from loadlab.lab.fixture import postgres_fixture, running_server
from loadlab.model.behaviour import Scale
from loadlab.model.foreign_metrics import (
    PG_ACTIVITY,
    PG_MAX_CONNECTIONS,
    PGBOUNCER_CLIENTS_ACTIVE,
    PGBOUNCER_CLIENTS_WAITING,
    PGBOUNCER_LONGEST_WAIT,
    PGBOUNCER_SERVERS_ACTIVE,
    PGBOUNCER_SERVERS_IDLE,
)
from loadlab.model.metrics import CATALOGUE
from loadlab.system.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.lab.fixture import PostgresFixture, RunningServer
    from loadlab.services.pgbouncer import Bouncer

EXPORTER = "prometheus-postgres-exporter"
SCRAPES = 12
SCRAPE_SECONDS = 1.0
START_SECONDS = 60.0
# What prometheus-community's exporter makes of SHOW POOLS; Debian packages another one, which has other names.
OF_POOLS = {
    "cl_active": PGBOUNCER_CLIENTS_ACTIVE,
    "cl_waiting": PGBOUNCER_CLIENTS_WAITING,
    "maxwait": PGBOUNCER_LONGEST_WAIT,
    "sv_active": PGBOUNCER_SERVERS_ACTIVE,
    "sv_idle": PGBOUNCER_SERVERS_IDLE,
}


def observed() -> list[Answer]:
    """Series of a site under gevent that keeps connections, directly and then behind PgBouncer, with load."""
    with postgres_fixture(None, lambda _: None, Scale(clients=8)) as ours, _postgres_exporter(ours) as postgres:
        direct, behind = aged(60), strategy("pgbouncer", pool_size=2)
        with running_server(served("gevent", direct, workers=2), ours) as server:
            seen = _scraped(server, [lambda: _site(server), lambda: _exporter(postgres)])
        with running_server(served("gevent", behind, workers=2), ours) as server:
            bouncer = server.bouncer
            assert bouncer  # noqa: S101  the strategy has one
            seen += _scraped(server, [lambda: _site(server), lambda: _exporter(postgres), lambda: _pools(bouncer)])
    return _joined(seen)


def _scraped(server: RunningServer, scrapes: list[Callable[[], list[Answer]]]) -> list[Answer]:
    seen: list[Answer] = []
    for _ in range(SCRAPES):
        begun = time.monotonic()
        server.clients.ask("/entries/1/", each=5)
        seen += [series for scrape in scrapes for series in scrape()]
        time.sleep(max(0.0, SCRAPE_SECONDS - (time.monotonic() - begun)))
    return seen


def _joined(seen: list[Answer]) -> list[Answer]:
    """One series for each set of labels, instead of one for each scrape."""
    joined: dict[tuple[tuple[str, str], ...], Answer] = {}
    for series in seen:
        key = tuple(sorted(series.labels.items()))
        joined.setdefault(key, Answer(labels=series.labels, points=[])).points.extend(series.points)
    return list(joined.values())


def _site(server: RunningServer) -> list[Answer]:
    known = {metric.name for metric in CATALOGUE}
    target = {"job": "site", "instance": "app-gevent:8000"}
    return [*_read(f"{server.application.url}/metrics", known, target), _answer("up", target, 1.0, time.time())]


def _exporter(url: str) -> list[Answer]:
    return _read(url, {PG_ACTIVITY.name, PG_MAX_CONNECTIONS.name}, {"job": "postgres", "instance": "postgres:9187"})


def _read(url: str, names: set[str], target: dict[str, str]) -> list[Answer]:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  our own
        text = answer.read().decode()
    at = time.time()
    return [
        _answer(sample.name, {**sample.labels, **target}, sample.value, at)
        for family in text_string_to_metric_families(text)
        if family.name in names or f"{family.name}_total" in names
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


def _pools(bouncer: Bouncer) -> list[Answer]:
    rows = bouncer._console.ask("SHOW POOLS")  # noqa: SLF001  as the exporter asks, not as the lab does
    at = time.time()
    target = {"job": "pgbouncer", "instance": "pgbouncer:9127"}
    return [
        _answer(metric.name, {"database": row["database"], "user": row["user"], **target}, float(row[column]), at)
        for row in rows
        for column, metric in OF_POOLS.items()
    ]


def _answer(name: str, labels: dict[str, str], value: float, at: float) -> Answer:
    return Answer(labels={"__name__": name, **labels}, points=[(at, value)])


@contextmanager
def _postgres_exporter(ours: PostgresFixture) -> Iterator[str]:
    """The URL of what it exposes.

    Raises:
        EnvironmentFaultError: it is not installed, or does not answer.
    """
    program = shutil.which(EXPORTER)
    if program is None:
        raise EnvironmentFaultError(f"There is no {EXPORTER} here: apt install {EXPORTER}.")
    port = free_port()
    database = ours.cluster.database
    way = {key: value for key, value in database.observer.items() if key in ("host", "port", "user")}
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_SOURCE_NAME": make_dsn(**way, dbname=database.observer_name, sslmode="disable"),
    }
    argv = [program, f"--web.listen-address={LOOPBACK}:{port}"]
    running = ours.lab.register.start(EXPORTER, argv, log=ours.lab.logs / f"{EXPORTER}.log", environment=environment)
    try:
        url = f"http://{LOOPBACK}:{port}/metrics"
        _await_answer(url)
        yield url
    finally:
        running.kill()


def _await_answer(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()  # noqa: S310  our own
        except OSError as error:
            if time.monotonic() > deadline:
                raise EnvironmentFaultError(f"{EXPORTER} does not answer: {error}") from error
            time.sleep(0.1)
        else:
            return
