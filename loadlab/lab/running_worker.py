"""A worker that runs the site's tasks, with its sender, its queue, and all who count its connections."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.judges.postgresql import PostgreSQL
from loadlab.lab.application import ServedApplication, merged
from loadlab.lab.fixture import RunningServer
from loadlab.lab.inspection import run_python
from loadlab.lab.project import Project
from loadlab.lab.tables import MIGRATE, why
from loadlab.lab.task_sender import TaskSender
from loadlab.model.strategy import ServerTraits
from loadlab.plan.members import build_strategy, build_worker
from loadlab.servers import Site
from loadlab.services.redis import redis
from loadlab.system.ports import free_port
from loadlab.workers import Queue
from loadlab.workers.base import FIX_MODULE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.faults import FaultContext
    from loadlab.lab.fixture import PostgresFixture
    from loadlab.model.behaviour import Scale
    from loadlab.model.worker_behaviour import WorkerSetting
    from loadlab.services.database import Database, RestartMode
    from loadlab.settings_override.configuration import SettingsOverride
    from loadlab.system.processes import Program
    from loadlab.workers import Fix, Worker

POLL_SECONDS: Final = 0.01
# What a sender whose tasks wait in the database does: it holds one connection, which outlives a restart.
HELD: Final = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}


class _BesidesSender(PostgreSQL):
    """Leaves out of what is open the connections that the sender of tasks holds."""

    def __init__(self, cursor: Cursor, database: str, held: int) -> None:
        super().__init__(cursor, database)
        self._held = held

    def open_now(self) -> int:
        return super().open_now() - self._held


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningWorker(RunningServer):
    """A worker that is ready; its `clients` are the sender of its tasks."""

    worker: Worker
    tasks: TaskSender

    @property
    def judge(self) -> PostgreSQL:
        database = self.postgres.lab.database.name
        return _BesidesSender(self.postgres.lab.cursor, database, int(self.worker.looks))

    @property
    def scale(self) -> Scale:
        """As many tasks in all as the scale of servers has for a few clients."""
        scale = self.postgres.scale
        return replace(scale, clients=self.worker.at_once(), each=scale.tasks // self.worker.at_once())

    @property
    def fault_context(self) -> FaultContext:
        context = self.postgres.fault_context
        return replace(context, restart_database=self._restart_unseen) if self.worker.looks else context

    def _restart_unseen(self, *, mode: RestartMode = "fast") -> None:
        """Restart the database between two looks of the worker: a look at one that is away would be chance."""
        group = self.application.program.pid
        while True:
            os.killpg(group, signal.SIGSTOP)
            _, active, _, in_transaction = self.judge.states()
            if not active and not in_transaction:
                break
            os.killpg(group, signal.SIGCONT)
            time.sleep(POLL_SECONDS)
        try:
            self.postgres.restart(mode=mode)
        finally:
            os.killpg(group, signal.SIGCONT)

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return not self.application.program.running()


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSetup:
    """What a worker's processes are started with: the site, its database, the strategy, and a fix or none."""

    setting: WorkerSetting
    database: Database
    folder: Path
    queue: Queue
    port: int
    over: Mapping[str, object]  # over the settings of the database

    @property
    def worker(self) -> Worker:
        return build_worker(self.setting.worker)

    @property
    def project(self) -> Project:
        return Project(driver=self.setting.driver)

    @property
    def fix(self) -> Fix | None:
        return next((fix for fix in self.worker.fixes() if fix.name == self.setting.fix), None)

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def ledgers(self) -> Path:
        return self.folder / "ledgers"

    def of_worker(self) -> dict[str, str]:
        """The environment of its processes."""
        changes = build_strategy(self.setting.strategy).changes(_traits(self.setting))
        fixed = self.fix.database if self.fix else {}
        override = replace(
            self._override(merged(changes.database, fixed, self.over)),
            apps=(*changes.apps, *self.worker.apps),
        )
        return self._environment(override)

    def of_sender(self) -> dict[str, str]:
        """The environment of a process that sends tasks, and is not counted."""
        return self._environment(replace(self._override(HELD), instrumented=False))

    def _override(self, database: Mapping[str, object]) -> SettingsOverride:
        return replace(
            self.project.override(self.database),
            database=database,
            aliases=self.project.tuned,
            apps=self.worker.apps,
            values={**self.worker.settings(self.queue), **(self.fix.settings if self.fix else {})},
        )

    def _environment(self, override: SettingsOverride) -> dict[str, str]:
        inherited = self.project.inherited()
        path = [str(self.folder), *filter(None, [inherited.get("PYTHONPATH")])]
        return {
            **inherited,
            **self.database.environment,
            **self.project.environment,
            **override.to_environment(),
            "PYTHONPATH": os.pathsep.join(path),
            "LOADLAB_LEDGER_DIR": str(self.ledgers),
            "LOADLAB_WORK": self.setting.worker.name,
            "LOADLAB_WORK_PORT": str(self.port),
            "LOADLAB_WORK_REPORTS": str(self.reports),
            **({"LOADLAB_WORK_FIX": FIX_MODULE} if self.fix and self.fix.code else {}),
        }


def _traits(setting: WorkerSetting) -> ServerTraits:
    worker = build_worker(setting.worker)
    return ServerTraits(server=setting.worker.name, driver=setting.driver, processes=worker.processes())


@contextmanager
def running_worker(
    setting: WorkerSetting, postgres: PostgresFixture, database: Mapping[str, object] | None = None
) -> Iterator[RunningWorker]:
    """A fresh worker of a setting, with `database` over its database's settings; it has run tasks without a query.

    Raises:
        EnvironmentFaultError: it does not start, or what it needs is missing.
    """
    lab = postgres.lab
    postgres.await_empty()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="worker-", dir=lab.scratch))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        setup = _setup(setting, postgres, stack, folder, database or {})
        application, tasks = _started(setup, postgres, stack)
        tasks.await_ready()
        yield RunningWorker(
            postgres=postgres,
            application=application,
            clients=tasks,
            processes=0,  # none answers to control requests
            stop_signal=setup.worker.stop_signal,
            bouncer=None,
            worker=setup.worker,
            tasks=tasks,
        )


def _setup(
    setting: WorkerSetting, postgres: PostgresFixture, stack: ExitStack, folder: Path, over: Mapping[str, object]
) -> WorkerSetup:
    lab, worker = postgres.lab, build_worker(setting.worker)
    for name in ("queue", "ledgers"):
        (folder / name).mkdir()
    url = stack.enter_context(redis(lab.register, lab.logs / "redis.log")) if worker.needs_redis() else ""
    setup = WorkerSetup(
        setting=setting,
        database=lab.database,
        folder=folder,
        queue=Queue(folder=folder / "queue", redis=url),
        port=free_port(),
        over=over,
    )
    setup.reports.touch()
    if setup.fix and setup.fix.code:
        (folder / f"{FIX_MODULE}.py").write_text(setup.fix.code)
    if worker.tables:
        _migrate(setup)
    return setup


def _migrate(setup: WorkerSetup) -> None:
    """Make the tables of its apps, where they are not there yet."""
    done = run_python(setup.project, ["-m", "loadlab.settings_override", *MIGRATE], setup.of_sender())
    if done.returncode:
        raise EnvironmentFaultError(f"The tables of {setup.worker.title} cannot be made:\n{why(done.stderr)}")


def _started(setup: WorkerSetup, postgres: PostgresFixture, stack: ExitStack) -> tuple[ServedApplication, TaskSender]:
    site, worker, name = Site(python=setup.project.python), setup.worker, setup.setting.worker.name
    program = _start(postgres, name, worker.argv(site, setup.port), setup.of_worker(), pipes=worker.is_sender())
    stack.callback(_end, program)
    feeder = program
    if not worker.is_sender():
        argv = [site.python, "-m", "loadlab.sample_app.work", name]
        feeder = _start(postgres, f"{name}-sender", argv, setup.of_sender(), pipes=True)
        stack.callback(_end, feeder)
    application = ServedApplication(program=program, port=setup.port, ledgers=setup.ledgers, token="")
    return application, TaskSender(program, feeder, setup.reports, worker.at_once())


def _start(
    postgres: PostgresFixture, name: str, argv: Sequence[str], environment: Mapping[str, str], *, pipes: bool
) -> Program:
    lab = postgres.lab
    return lab.register.start(name, argv, log=lab.logs / f"{name}.log", environment=environment, pipes=pipes)


def _end(program: Program) -> None:
    """At once: what is left needs no orderly end."""
    program.kill()
    for pipe in filter(None, (program.popen.stdin, program.popen.stdout)):
        with suppress(OSError):  # an order that it has not read
            pipe.close()
