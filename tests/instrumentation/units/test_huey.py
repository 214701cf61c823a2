"""Huey's tasks are units of work."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from task_project import each_of

from loadlab.model.metrics import UnitKind

if TYPE_CHECKING:
    from task_project import TaskProject

pytest.importorskip("huey", reason="Huey is not installed: pip install loadlab[workers]")
pytestmark = pytest.mark.process

APP = """
INSTALLED_APPS += ["huey.contrib.djhuey", "app"]
HUEY = {"huey_class": "huey.SqliteHuey", "filename": str(HERE / "huey.db"), "immediate": False}
"""
TASKS = """
from huey.contrib.djhuey import task
import work

@task()
def done(what):
    work.done(what)
"""
SEND = """
import django, json, sys
django.setup()
from app.tasks import done
for what in json.loads(sys.argv[1]):
    done(what)
"""


def test_tasks_count_once_each_and_find_the_connection_of_their_thread(project: TaskProject) -> None:
    project.write("settings.py", APP)
    (project.folder / "app").mkdir()
    project.write("app/__init__.py", "")
    project.write("app/tasks.py", TASKS)
    project.write("send.py", SEND)
    project.run("send.py", json.dumps(each_of(nothing=2, queries=5, reconnects=1, fails=1)))
    with project.worker("-m", "django", "run_huey", "-w", "1", ends_by=signal.SIGINT):
        project.await_units((1, 6))
        project.await_holders("idle")
    assert project.units(UnitKind.OTHER) == (0, 0)
    project.require_all_of_the_worker()
