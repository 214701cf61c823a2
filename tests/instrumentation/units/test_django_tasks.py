"""Tasks of Django and of django-tasks are units of work; a worker's looks at its queue are not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from task_project import each_of

if TYPE_CHECKING:
    from task_project import TaskProject

pytest.importorskip("django_tasks_db", reason="django-tasks-db is not installed: pip install loadlab[workers]")
pytestmark = pytest.mark.process

APP = """
INSTALLED_APPS += ["django_tasks", "django_tasks_db", "app"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
"""
TASKS = """
from django_tasks import task
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
    done.enqueue(what)
"""


def test_tasks_count_once_each_and_looks_for_the_next_do_not(project: TaskProject) -> None:
    project.write("settings.py", APP)
    (project.folder / "app").mkdir()
    project.write("app/__init__.py", "")
    project.write("app/tasks.py", TASKS)
    project.write("send.py", SEND)
    project.run("-m", "django", "migrate", "-v", "0")
    project.run("send.py", json.dumps(each_of(nothing=2, queries=5, reconnects=1, fails=1)))
    with project.worker("-m", "django", "db_worker", "--interval", "0.1"):
        # A task's own state is in the database: also one that asks nothing uses it.
        project.await_units((0, 9))
