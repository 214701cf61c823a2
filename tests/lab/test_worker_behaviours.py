"""Connections of background workers behave as they were recorded, and PostgreSQL counts them as loadlab does."""

from __future__ import annotations

import fnmatch
import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from every import every
from patience import await_that

from loadlab.cli._behaviour_record import read_recording
from loadlab.lab.fixture import postgres_fixture
from loadlab.lab.running_worker import running_worker
from loadlab.lab.worker_behaviour import tasks, worker_behaviour, worker_settings
from loadlab.model.behaviour import Recording, worker_rows_of
from loadlab.model.behaviour_changes import allowed, changed_cells
from loadlab.plan.members import build_worker
from loadlab.workers import WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.fixture import PostgresFixture
    from loadlab.model.worker_behaviour import WorkerRow, WorkerSetting

RECORDED: Final = read_recording(Path(__file__).resolve().parents[2] / "benchmarks" / "recorded" / "behaviour.json")
# One of each worker that needs no service: what closes too much, what keeps, and a fix.
QUICK: Final = (
    "worker/celery,pool=prefork,*/max_age=60,*/fix=none/*",
    "worker/django_tasks_db,*/max_age=60,*/fix=none/*",
    "worker/huey,*/max_age=0,*/fix=db_task/*",
    "worker/dramatiq,broker=stub,*/max_age=0,*/fix=none/*",
    "worker/channels/max_age=0,*/fix=none/*",
    "worker/apscheduler,*/max_age=60,*/fix=closing/*",
    "worker/command/max_age=0,*/fix=none/*",
)

# A command's turns are no units of work, and the looks of db_worker use a connection beside those of its tasks.
WITHOUT_UNITS: Final = ("command", "django_tasks_db")


def matching(*patterns: str) -> list[WorkerSetting]:
    return [one for one in worker_settings() if any(fnmatch.fnmatchcase(one.id, pattern) for pattern in patterns)]


def of_id(setting: WorkerSetting) -> str:
    return setting.id


def recorded(setting: WorkerSetting) -> WorkerRow:
    (row,) = [row for row in RECORDED.workers if row.setting == setting]
    return row


def rows(name: str, age: object = "any", fix: str = "", **parameters: object) -> list[WorkerRow]:
    """The recorded rows of a worker at an age, or with Django's pool (age "pool")."""
    found = [row for row in RECORDED.workers if (row.setting.worker.name, row.setting.fix) == (name, fix)]
    found = [row for row in found if parameters.items() <= row.setting.worker.parameters.items()]
    return [row for row in found if age in ("any", row.setting.strategy.parameters.get("max_age", "pool"))]


def counts(row: WorkerRow, *names: str) -> list[int]:
    assert all(row.spans[name][0] == row.spans[name][1] for name in names)
    return [row.spans[name][0] for name in names]


def test_every_row_of_a_worker_is_recorded_and_exact() -> None:
    assert [row.setting.id for row in RECORDED.workers] == [one.id for one in worker_settings()]
    assert [row.setting.id for row in RECORDED.workers if not row.exact or row.spans["failed"] != (0, 0)] == []


def test_celery_opens_a_session_for_each_task_at_any_age() -> None:
    for age in (0, 60, None):
        for row in rows("celery", age):
            assert counts(row, "opened", "reused", "left_open") == [40, 0, 0]


def test_a_pool_in_forked_processes_opens_all_its_sessions_for_each_task() -> None:
    (celery,), (rq,) = rows("celery", "pool", pool="prefork"), rows("rq", "pool")
    assert counts(celery, "opened", "reused", "lost") == [160, 0, 0]
    assert counts(rq, "opened", "reused", "lost") == [160, 0, 160]


def test_an_idle_db_worker_at_age_0_opens_a_session_for_each_look() -> None:
    ((at_0,), (at_60,)) = (rows("django_tasks_db", age) for age in (0, 60))
    assert counts(at_0, "idle_opened") == [10]
    assert counts(at_60, "idle_opened") == [0]


@every("name", ["apscheduler", "command", "dramatiq", "huey"])
def test_what_closes_no_connection_never_recovers_from_a_restart(name: str) -> None:
    for row in rows(name):
        assert counts(row, "failed_later") == counts(row, "failed_later_checked") != [0]
    (fix,) = build_worker(rows(name)[0].setting.worker).fixes()
    for row in rows(name, fix=fix.name):
        assert counts(row, "failed_later", "failed_checked", "failed_later_checked") == [0, 0, 0]


def test_health_checks_do_not_help_where_celery_reuses_by_count() -> None:
    for row in rows("celery", fix="reuse_max"):
        assert row.spans["failed_checked"] == row.spans["failed_after_restart"] > row.spans["warm"]


def require(setting: WorkerSetting) -> None:
    """Skip where what the worker needs is not installed."""
    worker = build_worker(setting.worker)
    for package in worker.packages:
        if importlib.util.find_spec(package.replace("-", "_")) is None:
            pytest.skip(f"{package} is not installed: make .venv/dev installs it")
    if worker.needs_redis() and shutil.which("redis-server", path=f"{os.environ['PATH']}:/usr/bin") is None:
        pytest.skip("there is no Redis here: apt install redis-server")


@pytest.fixture(scope="module")
def ready() -> Iterator[PostgresFixture]:
    with postgres_fixture(None, lambda _: None) as opened:
        yield opened


def test_the_quick_patterns_name_one_row_of_each_worker_without_a_service() -> None:
    assert [len(matching(pattern)) for pattern in QUICK] == [1] * len(QUICK)
    assert {one.worker.name for one in matching(*QUICK)} == set(WORKERS) - {"rq"}


@pytest.mark.parametrize("setting", matching(*QUICK), ids=of_id)
def test_the_sessions_of_a_workers_tasks_are_those_recorded(setting: WorkerSetting, ready: PostgresFixture) -> None:
    require(setting)
    with running_worker(setting, ready) as worker:
        before = worker.counts()
        counted = tasks(worker)
        units = worker.counts() - before
    row = recorded(setting)
    if setting.worker.name not in WITHOUT_UNITS:
        assert (units.first_uses, units.reused) == (counted["opened"], counted["reused"])
    assert counted.pop("exact")
    for name, count in counted.items():
        low, high = allowed(row, name, RECORDED.scale)
        assert low <= count <= high, (name, count, row.spans[name])


@pytest.mark.slow
@pytest.mark.parametrize("setting", worker_settings(), ids=of_id)
def test_workers_do_what_was_recorded_in_every_row(setting: WorkerSetting, ready: PostgresFixture) -> None:
    require(setting)
    counted = Recording(versions={}, rows=(), workers=worker_rows_of([worker_behaviour(setting, ready)]))
    there = [row.setting.id for row in (*RECORDED.rows, *RECORDED.workers)]
    assert [str(one) for one in changed_cells(RECORDED, counted, there)] == []


@pytest.mark.slow
def test_a_broker_between_processes_changes_no_count_of_celerys(ready: PostgresFixture) -> None:
    (setting,) = matching("worker/celery,pool=threads,*/max_age=60,*/fix=none/*")
    require(setting)
    counted = []
    for broker in ("filesystem", "redis"):
        parameters = {**setting.worker.parameters, "broker": broker}
        other = type(setting)(
            worker=type(setting.worker)(name="celery", parameters=parameters),
            strategy=setting.strategy,
            fix="",
            driver=setting.driver,
        )
        require(other)
        with running_worker(other, ready) as worker:
            counted.append({name: count for name, count in tasks(worker).items() if name != "peak"})
    assert counted[0] == counted[1]


@pytest.mark.slow
def test_a_database_that_is_away_at_a_look_ends_db_worker(ready: PostgresFixture) -> None:
    (setting,) = matching("worker/django_tasks_db,*/max_age=60,*/fix=checked/*")
    require(setting)
    with running_worker(setting, ready) as worker:
        ready.cluster.stop()
        try:
            await_that(lambda: worker.ended)
        finally:
            ready.restart()
