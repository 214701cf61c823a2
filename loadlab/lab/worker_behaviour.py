"""Counts what connections do in one worker under one strategy: a fixed number of tasks, and what provokes them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from psycopg2 import sql

from loadlab.lab.behaviour import failed_until_quiet, restart, stop
from loadlab.lab.running_worker import running_worker
from loadlab.lab.settling import Patience, settled
from loadlab.model.worker_behaviour import WorkerBehaviour, WorkerSetting
from loadlab.plan.members import build_worker, config_of
from loadlab.strategies import STRATEGIES
from loadlab.workers import WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.fixture import PostgresFixture
    from loadlab.lab.running_worker import RunningWorker
    from loadlab.model.config import Scalar
    from loadlab.model.counts import ConnectionCounts

DRIVER: Final = "psycopg"  # the one that has Django's pool
STRATEGIES_COUNTED: Final[tuple[tuple[str, dict[str, Scalar]], ...]] = (
    ("max_age", {"max_age": 0}),
    ("max_age", {"max_age": 60}),
    ("max_age", {"max_age": None}),
    ("pool", {"min_size": 4, "max_size": 4}),
)
CHECKED: Final = {"CONN_HEALTH_CHECKS": True}
LOOKS: Final = 10  # of a worker without tasks
IDLE_MS: Final = 1000
SETTLE: Final = Patience(seconds=20.0, poll_seconds=0.02)


def worker_settings() -> list[WorkerSetting]:
    """Every worker × strategy, and each fix under its ages."""
    return list(_settings())


def _settings() -> Iterator[WorkerSetting]:
    for name in WORKERS:
        for parameters in WORKERS[name].counted:
            worker = config_of(WORKERS, name, dict(parameters), "worker")
            fixes = build_worker(worker).fixes()
            for kind, given in STRATEGIES_COUNTED:
                strategy = config_of(STRATEGIES, kind, dict(given), "strategy")
                fitting = [fix.name for fix in fixes if kind == "max_age" and given["max_age"] in fix.ages]
                for fix in ("", *fitting):
                    yield WorkerSetting(worker=worker, strategy=strategy, fix=fix, driver=DRIVER)


def worker_behaviour(setting: WorkerSetting, postgres: PostgresFixture) -> WorkerBehaviour:
    """One experiment, with four fresh workers; one of them has health checks.

    Raises:
        EnvironmentFaultError: a worker does not start, or does not end when it is asked to.
    """
    counts: dict[str, Any] = {}
    with running_worker(setting, postgres) as worker:
        counts |= tasks(worker) | idle(worker)
        counts |= stop(worker)
    with running_worker(setting, postgres) as worker:
        warm, failed, later = restart(worker)
        counts |= {"warm": warm, "failed_after_restart": failed, "failed_later": later, "ended": int(worker.ended)}
    with running_worker(setting, postgres, CHECKED) as worker:
        warm, failed, later = restart(worker)
        counts |= {"warm_checked": warm, "failed_checked": failed, "failed_later_checked": later}
        counts["ended_checked"] = int(worker.ended)
    counts |= timed_out(setting, postgres)
    return WorkerBehaviour(setting=setting, **counts)


def tasks(worker: RunningWorker) -> dict[str, Any]:
    """A fixed number of tasks, and what they have left open."""
    before, opened_before, lost_before = worker.counts(), worker.judge.opened(), worker.judge.abandoned()
    mark, backends = worker.log.mark(), worker.judge.open_now()
    failed = worker.tasks.ask("", worker.scale.each)
    after, exact = _agreed(worker, before, opened_before)
    return {
        "opened": before.open + after.opened - before.opened,
        "reused": worker.tasks.reused(),
        "failed": failed,
        "peak": worker.log.peak_since(mark, backends),
        "left_open": after.open,
        "lost": worker.judge.abandoned() - lost_before,
        "exact": exact,
    }


def _agreed(worker: RunningWorker, before: ConnectionCounts, opened_before: int) -> tuple[ConnectionCounts, bool]:
    """The counts when PostgreSQL's are the same, and whether they came to be; a worker may look for tasks meanwhile."""

    def sides() -> tuple[ConnectionCounts, int, int]:
        return worker.counts(), worker.judge.opened() - opened_before, worker.judge.open_now()

    def agree(seen: tuple[ConnectionCounts, int, int]) -> bool:
        counts, opened, still_open = seen
        return (counts.opened - before.opened, counts.open, counts.unsettled) == (opened, still_open, 0)

    seen = settled(sides, agree, SETTLE)
    return seen[0], agree(seen)


def idle(worker: RunningWorker) -> dict[str, int]:
    """How many sessions it opens for each ten looks for a task, where it looks into the database."""
    if not worker.worker.looks:
        return {"idle_opened": 0}
    opened, transactions = worker.judge.opened(), worker.judge.transactions()
    deadline = time.monotonic() + SETTLE.seconds
    looks = sessions = 0
    while looks < LOOKS and time.monotonic() < deadline:
        time.sleep(SETTLE.poll_seconds)
        sessions = worker.judge.opened() - opened
        # A look is a transaction, and so is the start of a session.
        looks = worker.judge.transactions() - transactions - sessions
    return {"idle_opened": round(LOOKS * sessions / max(1, looks))}


def timed_out(setting: WorkerSetting, postgres: PostgresFixture) -> dict[str, int]:
    """How many tasks fail after PostgreSQL has ended the idle sessions of a worker."""
    looks = build_worker(setting.worker).looks
    # In a pool each connection waits for its turn: longer than that, as limits are in production.
    idle_ms = 4 * IDLE_MS if looks else IDLE_MS
    with _ending_idle_sessions(postgres, idle_ms), running_worker(setting, postgres) as worker:
        for _ in range(worker.scale.rounds):
            worker.tasks.ask("")
        warm = worker.at_rest().open
        worker.judge.await_empty(2 * idle_ms / 1000 if looks else SETTLE.seconds)
        _end_idle_sessions(postgres, 0)  # those that are opened from now on stay
        return {"warm_idle": warm, "failed_after_idle": failed_until_quiet(worker, "", warm)}


@contextmanager
def _ending_idle_sessions(postgres: PostgresFixture, after_ms: int) -> Iterator[None]:
    """Have PostgreSQL end each session of the target that begins now, once it is idle for a while."""
    _end_idle_sessions(postgres, after_ms)
    try:
        yield
    finally:
        _end_idle_sessions(postgres, 0)


def _end_idle_sessions(postgres: PostgresFixture, after_ms: int) -> None:
    database = sql.Identifier(postgres.lab.database.name)
    # A session takes it as it begins; 0 is for ever.
    change = sql.SQL("ALTER DATABASE {} SET idle_session_timeout = {}")
    postgres.lab.cursor.execute(change.format(database, sql.Literal(after_ms)))
