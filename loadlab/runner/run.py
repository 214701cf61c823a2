"""A run: all trials of a schedule, each kept as soon as it has ended."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import psycopg2

from loadlab import __version__
from loadlab.errors import EnvironmentFaultError, IncompleteError
from loadlab.model.case import Choice
from loadlab.planning import schedule
from loadlab.processes import Register
from loadlab.runner.application import Target
from loadlab.runner.environment import environment
from loadlab.runner.generator import Generator
from loadlab.runner.preflight import require_room
from loadlab.runner.trial import Bench, run_trial
from loadlab.services.embedded import embedded
from loadlab.services.given import given
from loadlab.store import RunFolder, Schedule, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.samples import Trial
    from loadlab.planning import Experiment
    from loadlab.services.database import Database
    from loadlab.services.given import Reference


class Listener(Protocol):
    """Who wants to know how a run goes on; `done` of `total` trials were there before this one."""

    def preparing(self, what: str) -> None: ...

    def trial_begins(self, case: Case, done: int, total: int) -> None: ...

    def trial_ended(self, trial: Trial, done: int, total: int) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Laboratory:
    """What every command that serves the target needs: the register of its processes, and a database with the site."""

    register: Register
    database: Database


@contextmanager
def laboratory(plan: Plan, dsn: Reference | None, logs: Path | None, listener: Listener) -> Iterator[Laboratory]:
    """A database with the site's tables and rows in it, embedded or the one that `dsn` names.

    Its log goes to the folder `logs`, or away with everything else at the end.

    Raises:
        EnvironmentFaultError: it does not start, or refuses.
    """
    with Register.opened() as register:
        listener.preparing("PostgreSQL starts" if dsn is None else "connecting to the given database")
        service = _service(plan, dsn, register, logs or register.folder)
        with service as database:
            listener.preparing("the site's tables are made and filled")
            _migrate(database, plan.driver, register.folder)
            yield Laboratory(register=register, database=database)


def _service(plan: Plan, dsn: Reference | None, register: Register, logs: Path) -> AbstractContextManager[Database]:
    if dsn is None:
        return embedded(plan.database, register, logs / "postgresql.log")
    return given(dsn, register.folder)


def _migrate(database: Database, driver: str, scratch: Path) -> None:
    target = Target(
        server=Choice(name="threaded"),
        strategy=Choice(name="max_age"),
        database=database,
        driver=driver,
        ledgers=scratch / "ledgers-migrate",
        instrumented=False,
    )
    for command in ("migrate", "seed"):
        argv = [sys.executable, "-m", "loadlab.target", command, "--verbosity", "0"]
        done = subprocess.run(
            argv, env=target.environment(""), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise EnvironmentFaultError(f"The site's {command} failed:\n{done.stderr.strip()}")


@contextmanager
def equipped(lab: Laboratory, plan: Plan, logs: Path, listener: Listener) -> Iterator[Bench]:
    """A bench to run trials on: the laboratory with a generator, and with the judge's own connection.

    Raises:
        EnvironmentFaultError: Locust does not start, or the database refuses.
    """
    listener.preparing("Locust starts")
    with Generator(lab.register, logs / "locust.log") as generator, lab.database.observed() as connection:
        yield Bench(
            plan=plan,
            database=lab.database,
            register=lab.register,
            generator=generator,
            cursor=connection.cursor(),
            logs=logs,
            scratch=lab.register.folder,
        )


def begin(path: Path, experiment: Experiment, dsn: Reference | None, listener: Listener) -> RunFolder:
    """Make a run from its beginning in the folder `path`; what it returns is complete.

    Raises:
        LabError: see `resume`.
    """
    steps = schedule(experiment.cases, experiment.plan.blocks, experiment.plan.seed)
    planned = Schedule(
        id=path.name,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        cases=experiment.cases,
        steps=[Step(order=order, block=block, case=case) for order, (block, case) in enumerate(steps)],
    )
    folder = RunFolder.begin(path, experiment.text, planned)
    resume(folder, experiment.plan, dsn, listener)
    return folder


def resume(folder: RunFolder, plan: Plan, dsn: Reference | None, listener: Listener) -> None:
    """Make all trials of a run that it does not have yet, and those that failed once more.

    Raises:
        EnvironmentFaultError: something the run needs is missing, or a server does not start.
        IncompleteError: the database went away for good.
        StoppedError: the user or the system asked to stop. In all cases what was measured is in the folder.
    """
    planned = folder.schedule()
    present = {trial.order for trial in folder.trials()[0] if trial.state != "failed"}
    missing = [step for step in planned.steps if step.order not in present]
    if not missing:
        return
    with folder.locked(), laboratory(plan, dsn, folder.logs, listener) as lab:
        with lab.database.observed() as connection, connection.cursor() as cursor:
            require_room(cursor, planned.cases)
            folder.write_environment(environment(plan, lab.database, cursor))
        with equipped(lab, plan, folder.logs, listener) as bench:
            _measure(folder, planned, missing, bench, listener)


def _measure(folder: RunFolder, planned: Schedule, missing: Sequence[Step], bench: Bench, listener: Listener) -> None:
    total = len(planned.steps)
    for done, step in enumerate(missing, start=total - len(missing)):
        case = planned.cases[step.case]
        listener.trial_begins(case, done, total)
        try:
            trial = run_trial(case, step, bench)
        except psycopg2.Error as error:
            raise IncompleteError(
                f"PostgreSQL went away during trial {step.order} of {case.id}: {str(error).strip()}\n"
                f"{done} of {total} trials are safe; loadlab run --resume {folder.path} makes the others."
            ) from error
        folder.add_trial(trial)
        listener.trial_ended(trial, done + 1, total)
