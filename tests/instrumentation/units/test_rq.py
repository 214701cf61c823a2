"""RQ's jobs are units of work, in forked work horses too, whoever loads Django."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from patience import await_that
from task_project import each_of

from loadlab.model.metrics import UnitKind
from loadlab.system.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from task_project import TaskProject

pytest.importorskip("rq", reason="RQ is not installed: pip install loadlab[workers]")
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not on PATH: apt install redis"),
]

JOBS = """
{loads}
import work

def done(what):
    work.done(what)
"""
SEND = """
import json, sys
from redis import Redis
from rq import Queue
queue = Queue(connection=Redis(port=int(sys.argv[1])))
for what in json.loads(sys.argv[2]):
    queue.enqueue("jobs.done", what)
"""
LOADS = "import django\ndjango.setup()"


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    port = free_port()
    argv = ["redis-server", "--port", str(port), "--bind", LOOPBACK, "--save", "", "--dir", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as server:
        try:
            await_that(lambda: _answers(port), "redis-server does not answer")
            yield port
        finally:
            server.kill()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as asking:
            asking.sendall(b"PING\r\n")
            return asking.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("worker", "expected"),
    [("rq.Worker", (4, 0)), pytest.param("rq.SimpleWorker", (1, 3), marks=pytest.mark.slow)],
)
def test_jobs_count_once_each_where_they_load_django_themselves(
    project: TaskProject, tmp_path: Path, worker: str, expected: tuple[int, int]
) -> None:
    project.write("jobs.py", JOBS.format(loads=LOADS))
    project.write("send.py", SEND)
    with redis(tmp_path) as port:
        project.run("send.py", str(port), json.dumps(each_of(nothing=1, queries=2, reconnects=1, fails=1)))
        url = f"redis://{LOOPBACK}:{port}"
        project.run("-m", "rq.cli", "worker", "--burst", "--worker-class", worker, "--url", url)
    assert project.units() == expected
    assert project.units(UnitKind.OTHER) == (0, 0)
    project.require_all_of_the_worker()
