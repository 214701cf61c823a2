"""Dramatiq's messages are units of work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from task_project import each_of

from loadlab.model.metrics import ProcessRole, UnitKind

if TYPE_CHECKING:
    from task_project import TaskProject

pytest.importorskip("dramatiq", reason="Dramatiq is not installed: pip install loadlab[workers]")
pytestmark = pytest.mark.process

# Its broker in memory, and the real worker with one thread: a broker that lasts would be a server.
PROGRAM = """
import django, json, sys
django.setup()
import dramatiq
from dramatiq.brokers.stub import StubBroker
from django.db import connection
import work

broker = StubBroker()
dramatiq.set_broker(broker)

@dramatiq.actor(max_retries=0)
def done(what):
    work.done(what)

worker = dramatiq.Worker(broker, worker_threads=1)
for what in json.loads(sys.argv[1]):
    done.send(what)
worker.start()
broker.join(done.queue_name, fail_fast=False)
worker.join()
worker.stop()
work.query()
"""


def test_messages_count_once_each_and_find_the_connection_of_their_thread(project: TaskProject) -> None:
    project.write("program.py", PROGRAM)
    project.run("program.py", json.dumps(each_of(nothing=2, queries=5, reconnects=1, fails=1)))
    assert project.units() == (1, 6)
    assert project.units(UnitKind.OTHER) == (1, 0)  # the main thread's
    totals = project.totals()
    assert totals is not None
    assert totals.roles[ProcessRole.WORKER] == (0, totals.opened) == (0, 3)  # its first connection was a task's
