"""Celery's tasks are units of work, in every pool, also where a child is killed in the middle of one."""

from __future__ import annotations

import json
import signal
import urllib.request
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_SECONDS
from task_project import each_of

from loadlab.model.metrics import CloseReason, UnitKind
from loadlab.system.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from task_project import TaskProject

pytest.importorskip("celery", reason="Celery is not installed: pip install loadlab[workers]")
pytestmark = pytest.mark.process

APP = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from celery import Celery
from pathlib import Path
import work

QUEUE = Path(__file__).parent / "queue"
QUEUE.mkdir(exist_ok=True)
app = Celery("tasks")
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={"data_folder_in": str(QUEUE), "data_folder_out": str(QUEUE)},
    task_ignore_result=True,
    worker_proc_alive_timeout=60,
)

@app.task(name="done")
def done(what):
    work.done(what)

@app.task(name="outer")
def outer():
    work.query()
    done.apply(args=["reconnects"])
    work.query()
"""
# Tasks that Celery runs again: by their own wish, and because the child has been killed.
AGAIN = """
@app.task(name="again", bind=True, max_retries=2)
def again(self):
    work.query()
    raise self.retry(countdown=0)

@app.task(name="late", acks_late=True, reject_on_worker_lost=True)
def late():
    begun = Path(__file__).parent / "begun"
    first = not begun.exists()
    begun.touch()
    work.done("killed" if first else "queries")
"""
SEND = """
import json, sys
from tasks import done, outer
for what in json.loads(sys.argv[1]):
    outer.delay() if what == "outer" else done.delay(what)
"""


@pytest.fixture
def celery(project: TaskProject) -> TaskProject:
    project.write("tasks.py", APP)
    project.write("send.py", SEND)
    return project


def worker(pool: str, *more: str) -> list[str]:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=INFO")
    return ["-m", "celery", "-A", "tasks", "worker", "-P", pool, *quiet, *more]


def test_tasks_count_once_each_also_those_whose_child_is_killed(celery: TaskProject) -> None:
    sent = [*each_of(nothing=2, queries=3, reconnects=2, fails=1, outer=1), "killed", "queries", "queries"]
    celery.run("send.py", json.dumps(sent))
    # At a warm shutdown, it would wait ten seconds for the result of the killed one.
    with celery.worker(*worker("prefork", "-c", "2"), ends_by=signal.SIGQUIT):
        celery.await_units((10, 0))  # Celery closes the connection after each task, at any CONN_MAX_AGE
    totals = celery.totals()
    assert totals is not None
    assert totals.opened == 13  # three tasks have reconnected, one of them within another
    assert totals.closed[CloseReason.PROCESS_EXIT] == 1
    assert totals.units[UnitKind.OTHER] == (0, 0)
    celery.require_all_of_the_worker()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "runs"), [("again", 3), ("late", 2)])
def test_a_task_counts_each_time_that_celery_runs_it(celery: TaskProject, name: str, runs: int) -> None:
    celery.write("tasks.py", AGAIN)
    celery.run("-c", f"import tasks; tasks.{name}.delay()")
    with celery.worker(*worker("prefork", "-c", "1"), ends_by=signal.SIGQUIT):
        celery.await_units((runs, 0))
    assert celery.units() == (runs, 0)
    assert celery.units(UnitKind.OTHER) == (0, 0)
    celery.require_all_of_the_worker()


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_tasks_of_each_pool_find_the_connection_that_celery_keeps(celery: TaskProject, pool: str) -> None:
    celery.write("settings.py", "CELERY_DB_REUSE_MAX = 1000\n")
    celery.write("tasks.py", 'app.config_from_object("django.conf:settings", namespace="CELERY")\n')
    celery.run("send.py", json.dumps(each_of(queries=8, outer=2)))
    port = str(free_port())
    with celery.worker(*worker(pool, "-c", "1"), LOADLAB_METRICS_PORT=port):
        celery.await_units((1, 9) if pool != "gevent" else (10, 0))
        if pool != "gevent":
            celery.await_holders("idle")
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=PATIENCE_SECONDS) as answer:
            assert 'loadlab_db_units_total{alias="default",connection="opened",kind="task"}' in answer.read().decode()
    celery.require_all_of_the_worker()
