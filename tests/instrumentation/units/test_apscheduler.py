"""APScheduler's jobs are units of work, in a process of their own and in a thread of a web process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadlab.model.metrics import ProcessRole, UnitKind

if TYPE_CHECKING:
    from task_project import TaskProject

pytest.importorskip("apscheduler", reason="APScheduler is not installed: pip install loadlab[workers]")
pytestmark = pytest.mark.process

# The executor that takes run_job from its module is imported before Django is, or after it.
PROGRAM = """
import sys
if sys.argv[1] == "before":
    import apscheduler.schedulers.background
import django
django.setup()
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
import threading
import work

left, ended = 7, threading.Event()

def job(what):
    global left
    try:
        work.done(what)
    finally:
        left -= 1
        if not left:
            ended.set()

scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(1)})
for what in ["nothing", "queries", "queries", "reconnects", "fails", "queries", "queries"]:
    scheduler.add_job(job, args=[what], misfire_grace_time=None)
scheduler.start()
assert ended.wait(100)
scheduler.shutdown()
"""


@pytest.mark.parametrize("imported", ["before", "after"])
def test_jobs_count_once_each_and_find_the_connection_of_their_thread(project: TaskProject, imported: str) -> None:
    project.write("program.py", PROGRAM)
    project.run("program.py", imported)
    assert project.units() == (1, 5)
    assert project.units(UnitKind.OTHER) == (0, 0)
    totals = project.totals()
    assert totals is not None
    assert totals.roles[ProcessRole.WORKER] == (0, totals.opened) == (0, 2)
