"""Workers of a real gunicorn are killed or replaced; one that is not there, or has no other, cannot be."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from every import every
from family import below
from patience import await_that

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.faults.worker_kill import WorkerKill
from loadlab.faults.worker_restart import WorkerRestart
from loadlab.system.ports import free_port
from loadlab.system.processes import Register, inherited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.services.database import Database

pytestmark = pytest.mark.process
WORKERS = 3


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultContext]:
    log = tmp_path_factory.mktemp("gunicorn") / "log"
    argv = [sys.executable, "-m", "gunicorn", "wsgiref.simple_server:demo_app", "--workers", str(WORKERS)]
    database: Database = None  # type: ignore[assignment]  # it is not acted on
    with Register.opened() as register:
        argv += ["--bind", f"127.0.0.1:{free_port()}", "--no-control-socket"]
        server = register.start("gunicorn", argv, log=log, environment=inherited())

        await_that(lambda: log.read_text().count("Booting worker") == WORKERS, "gunicorn does not come up")
        yield FaultContext(
            database=database,
            register=register,
            log=log,
            server=server,
            reload_signal=signal.SIGHUP,
            workers=lambda: [server.pid, *(one.pid for one in below(server.pid))],
        )
        server.kill()


@every(("which", "killed"), [("one", 1), ("all_but_one", WORKERS - 1), ("all", WORKERS)])
def test_as_many_workers_are_killed_as_is_said_and_never_their_parent(
    context: FaultContext, which: str, killed: int
) -> None:
    await_that(lambda: len(context.workers()) == 1 + WORKERS, "gunicorn does not replace its workers")
    before = set(context.workers())
    with WorkerKill(which=which).applied(context):  # type: ignore[arg-type]
        assert len(before - set(context.workers())) == killed
    assert context.server is not None
    assert context.server.running()


def test_a_reload_is_over_once_every_worker_is_another(context: FaultContext) -> None:
    await_that(lambda: len(context.workers()) == 1 + WORKERS, "gunicorn does not replace its workers")
    before = set(context.workers())
    with WorkerRestart().applied(context):
        pass
    assert context.server is not None
    assert before & set(context.workers()) == {context.server.pid}
    assert len(context.workers()) >= 1 + WORKERS


@every("fault", [WorkerKill(), WorkerKill(which="all_but_one"), WorkerRestart()])
def test_a_server_without_workers_can_lose_none(tmp_path: Path, fault: WorkerKill | WorkerRestart) -> None:
    database: Database = None  # type: ignore[assignment]
    with Register.opened() as register, ExitStack() as stack:
        context = FaultContext(database=database, register=register, log=tmp_path / "log")
        with pytest.raises(EnvironmentFaultError, match=r"has 0 workers|no workers"):
            stack.enter_context(fault.applied(context))
