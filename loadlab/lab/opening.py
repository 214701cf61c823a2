"""Opens a lab: for a target that it serves, with a database and its tables, or for an external one."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from loadlab.lab.external_target import ExternalTarget, connected
from loadlab.lab.generator import Generator
from loadlab.lab.lab import Lab
from loadlab.lab.observer import Observer
from loadlab.lab.sides import suitable_sides, told_of
from loadlab.lab.suitability import other_databases
from loadlab.lab.tables import make_ready
from loadlab.scrape import require_address, token_of
from loadlab.services.embedded import TARGET, embedded
from loadlab.services.external_database import connect_to, external_database
from loadlab.services.postgresql_programs import programs
from loadlab.store.layout import LOCUST_LOG, POSTGRESQL_LOG
from loadlab.system.processes import Register, withhold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from loadlab.lab.project import Project
    from loadlab.lab.sides import Side, Sides
    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.samples import Trial
    from loadlab.services.database import Database
    from loadlab.services.external_database import Reference


class Listener(Protocol):
    """Hears how a run goes on; `done` of `total` trials were there before this one."""

    def preparing(self, what: str) -> None: ...

    def notice(self, what: str) -> None: ...

    def trial_begins(self, case: Case, done: int, total: int) -> None: ...

    def trial_ended(self, trial: Trial, done: int, total: int) -> None: ...


def _welcome(lab: Lab) -> None:
    """Any lab will do."""


@contextmanager
def open_lab(
    plan: Plan,
    dsn: Reference | None,
    logs: Path | None,
    listener: Listener,
    *,
    admit: Callable[[Lab], None] = _welcome,
) -> Iterator[Lab]:
    """The project, and a database with its tables: embedded, the one that `dsn` names, or the project's own.

    Logs go to the folder `logs`, or away with everything else at the end. `admit` may refuse the lab before anything is
    written into its database.

    Raises:
        UsageError: the plan cannot be run over the project.
        EnvironmentFaultError: the project does not load; the database does not start, or refuses.
    """
    with Register.opened() as register:
        folder = logs or register.folder
        sides = _sides(plan, dsn, register, listener)
        project = sides.this
        listener.preparing(_coming(project, dsn))
        with Generator(register, folder / LOCUST_LOG, plan.load) as generator, ExitStack() as resources:
            starting = _database(plan, sides, dsn, register, folder)
            if not plan.load.expect_workers:
                generator.boot()  # while the database starts
            database = resources.enter_context(starting)
            observer = resources.enter_context(Observer(database))
            lab = Lab(
                plan=plan,
                register=register,
                generator=generator,
                observer=observer,
                logs=folder,
                project=project,
                others=sides.others,
            )
            admit(lab)
            _prepare(lab, database, listener)
            yield lab


def _prepare(lab: Lab, database: Database, listener: Listener) -> None:
    """Make the tables, and say before it what the lab does to a project and its databases."""
    for remark in [
        *_touched(lab.plan, database),
        *other_databases(lab.project),
        *lab.notes.values(),
        *_of_others(lab),
    ]:
        listener.notice(remark)
    listener.preparing("preparing tables")
    for name, side in lab.others.items():
        with told_of(name):
            _make_side_ready(side, lab.plan, database)
    make_ready(lab.project, lab.plan.project, database)


def _make_side_ready(side: Side, plan: Plan, database: Database) -> None:
    if side.database:
        make_ready(side.project, plan.project, replace(database, name=side.database))
    elif plan.project is not None:  # one database for both: commands that fill it are run once
        make_ready(side.project, replace(plan.project, prepare=[]), database)


def _of_others(lab: Lab) -> Iterator[str]:
    for side in lab.others.values():
        yield from side.remarks
        if lab.plan.project is not None and not side.database:
            yield f"Both sides use the database {lab.database.name}, as two releases do while one replaces the other."


def _sides(plan: Plan, dsn: Reference | None, register: Register, listener: Listener) -> Sides:
    if plan.project is not None:
        against = f", and {plan.against.called}" if plan.against else ""
        listener.preparing(f"loading {plan.project.settings}{against}")
    return suitable_sides(plan, register.folder, dsn)


def _coming(project: Project, dsn: Reference | None) -> str:
    if project.brings_database:
        return "connecting to the project's database"
    return "PostgreSQL starts" if dsn is None or dsn.text is None else "connecting to your database"


def _database(
    plan: Plan, sides: Sides, dsn: Reference | None, register: Register, logs: Path
) -> AbstractContextManager[Database]:
    project = sides.this
    if dsn is not None and dsn.text is not None:
        return external_database(dsn, register.folder)
    if project.brings_database and project.info is not None:
        parameters = project.info.default.parameters
        return connect_to(parameters, register.folder, allow_remote=dsn is not None and dsn.allow_remote)
    every = (project, *(side.project for side in sides.others.values()))
    others = sorted({name for one in every for name in one.redirected.values()} - {TARGET})
    programs(plan.database)  # before anything starts, it is said if there are none
    return embedded(plan.database, register, logs / POSTGRESQL_LOG, others)


def _touched(plan: Plan, database: Database) -> list[str]:
    """What the lab does to a database that is not its own, said before it does."""
    if plan.project is None or database.embedded:
        return []
    told = ["missing migrations are applied"] if plan.project.migrate else []
    told += [f"manage.py {command} is run" for command in plan.project.prepare]
    exception = f", except, as you said: {' and '.join(told)}" if told else ""
    remark = (
        f"the database {database.name} is your own: loadlab itself reads PostgreSQL's statistics and nothing else; it"
        f" makes no table, drops none and runs no migration{exception}. What the scenario requests, your views will do."
    )
    return [remark]


@contextmanager
def open_external_lab(plan: Plan, dsn: Reference | None, logs: Path) -> Iterator[tuple[Lab, ExternalTarget]]:
    """A lab that starts nothing but the generator, and the external target, whose metrics are read once.

    Raises:
        UsageError: something is on another machine, without leave.
        EnvironmentFaultError: the metrics cannot be read, or the database does not let us in.
    """
    deployment, may = plan.target, dsn is not None and dsn.allow_remote
    if deployment is None:
        raise TypeError("the plan has no external target")
    require_address("--target", deployment.url, allow_remote=may)
    require_address("--target-metrics", deployment.metrics_url, allow_remote=may)
    withhold(deployment.token)
    token = token_of(deployment.token)
    with ExitStack() as resources:
        register = resources.enter_context(Register.opened())
        named = dsn is not None and dsn.text is not None
        database = resources.enter_context(external_database(dsn, register.folder)) if dsn and named else None
        observer = connected(database, resources)
        target = ExternalTarget(deployment=deployment, token=token, observer=observer, scratch=register.folder)
        target.look()
        generator = resources.enter_context(Generator(register, logs / LOCUST_LOG, plan.load))
        lab = Lab(plan=plan, register=register, generator=generator, observer=observer, logs=logs)
        yield lab, target
