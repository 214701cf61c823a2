"""Which processes serve a trial, and what has become of them: real ones, that do nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psutil
import pytest
from patience import await_that

from loadlab.lab.application import ServedApplication
from loadlab.lab.liveness import serving_now
from loadlab.servers import SERVERS
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CHILDREN = "sleep 600 & sleep 600 & sleep 600 & wait"


@pytest.fixture
def application(tmp_path: Path) -> Iterator[ServedApplication]:
    """A server of three processes, of which the first two have a ledger."""
    (ledgers := tmp_path / "ledgers").mkdir()
    with Register.opened() as register:
        program = register.start("sync", ["sh", "-c", CHILDREN], log=tmp_path / "log", environment=dict(os.environ))
        server = ServedApplication(program=program, port=1, ledgers=ledgers, token="")
        await_that(lambda: len(children(server)) == 3, "the children did not start")
        for child, suffix in zip(children(server), (".ledger", ".timesheet"), strict=False):
            (ledgers / f"{child.pid}-1f{suffix}").touch()
        yield server


def children(server: ServedApplication) -> list[psutil.Process]:
    return sorted(psutil.Process(server.program.pid).children(), key=lambda child: child.pid)


def end(process: psutil.Process) -> None:
    process.kill()
    await_that(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "it does not end")


def test_processes_that_go_on_are_no_disturbance(application: ServedApplication) -> None:
    serving = serving_now(application, {})
    assert [member.what for member in serving.members] == ["sync", "a worker of sync", "a worker of sync"]
    assert serving.disturbances() == ()


def test_a_worker_that_ends_is_named_and_a_helper_is_not(application: ServedApplication) -> None:
    serving = serving_now(application, {})
    worker, _, helper = children(application)
    end(helper)
    assert serving.disturbances() == ()
    end(worker)
    said = (f"a worker of sync (pid {worker.pid}) ended before the window did",)
    assert serving.disturbances() == said


def test_a_worker_recycled_by_gunicorn_does_not_disturb_a_trial(application: ServedApplication) -> None:
    serving = serving_now(application, {}, SERVERS["sync"].recycled)
    first, second, _ = children(application)
    line = "[2026-11-28 10:00:00 +0000] [{}] [INFO] Autorestarting worker after current request.\n"
    application.program.log.write_text(line.format(first.pid))
    end(first)
    assert serving.disturbances() == ()
    end(second)
    assert len(serving.disturbances()) == 1


def test_a_process_that_is_stopped_is_named(application: ServedApplication) -> None:
    pooler = children(application)[2]
    serving = serving_now(application, {"PgBouncer": pooler.pid})
    pooler.suspend()
    await_that(lambda: pooler.status() == psutil.STATUS_STOPPED, "it is not stopped")
    said = f"PgBouncer (pid {pooler.pid}) was stopped at the end of the window"
    assert serving.disturbances() == (said,)


def test_a_server_whose_first_process_ends_is_named(application: ServedApplication) -> None:
    serving = serving_now(application, {})
    end(psutil.Process(application.program.pid))
    assert f"sync (pid {application.program.pid}) ended" in serving.disturbances()[0]
