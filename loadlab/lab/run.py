"""A run: all trials of a schedule, each kept as soon as it has ended."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

import psycopg2

from loadlab import __version__
from loadlab.errors import EnvironmentFaultError, IncompleteError, StoppedError, UsageError
from loadlab.lab.environment import environment, environment_elsewhere
from loadlab.lab.external import Post, observatory, run_trial_elsewhere
from loadlab.lab.fixture import postgres_fixture
from loadlab.lab.generator import Generator
from loadlab.lab.journal import Journal
from loadlab.lab.machine_load import busy, load_before_start
from loadlab.lab.observer import Observer
from loadlab.lab.preflight import require_programs, require_room
from loadlab.lab.project import project_of
from loadlab.lab.restarts import next_to_restart, restarted
from loadlab.lab.resuming import begin_session, require_same_kind
from loadlab.lab.sampler import brief
from loadlab.lab.suitability import notes, other_databases, require_alone, require_suitable
from loadlab.lab.survival import Survival
from loadlab.lab.tables import make_ready
from loadlab.lab.trial import Bench, run_trial
from loadlab.load.distributed.signing import TOKEN_VARIABLE
from loadlab.model.samples import measured_for_good
from loadlab.model.schedule import Schedule, Step
from loadlab.model.session import Continuation
from loadlab.plan.scenarios import expects_failures, locustfile
from loadlab.plan.schedule import schedule, trial_seconds
from loadlab.services.embedded import TARGET, embedded
from loadlab.services.external_database import connect_to, external_database
from loadlab.store.folder import RunFolder
from loadlab.store.layout import LOCUST_LOG, POSTGRESQL_LOG
from loadlab.store.repair import repair
from loadlab.system.processes import Register, state_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from loadlab.lab.project import Project
    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.samples import Trial
    from loadlab.plan.experiment import Experiment
    from loadlab.services.database import Database
    from loadlab.services.external_database import Reference
    from loadlab.store.progress import Sampled


ONLY_RESUME: Final = Continuation()


class Listener(Protocol):
    """Who wants to know how a run goes on; `done` of `total` trials were there before this one."""

    def preparing(self, what: str) -> None: ...

    def notice(self, what: str) -> None: ...

    def trial_begins(self, case: Case, done: int, total: int) -> None: ...

    def trial_ended(self, trial: Trial, done: int, total: int) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Laboratory:
    """What every command that serves the target needs: the register of its processes, the project, its database."""

    register: Register
    project: Project
    database: Database


def _welcome(lab: Laboratory) -> None:
    """Any laboratory will do."""


@contextmanager
def laboratory(
    plan: Plan,
    dsn: Reference | None,
    logs: Path | None,
    listener: Listener,
    admit: Callable[[Laboratory], None] = _welcome,
) -> Iterator[Laboratory]:
    """The project, and a database with its tables: embedded, the one that `dsn` names, or the project's own.

    PostgreSQL's log goes to the folder `logs`, or away with everything else at the end. `admit` may refuse the
    laboratory before anything is written into its database.

    Raises:
        UsageError: the plan cannot be run over the project.
        EnvironmentFaultError: the project does not load; the database does not start, or refuses.
    """
    with Register.opened() as register:
        if plan.project is not None:
            listener.preparing(f"loading {plan.project.settings}")
        project = project_of(plan, register.folder)
        if dsn is not None and dsn.text is not None:
            project = project.given()
        require_suitable(project, plan, allow_remote=dsn is not None and dsn.allow_remote)
        listener.preparing(_coming(project, dsn))
        with _service(plan, project, dsn, register, logs or register.folder) as database:
            lab = Laboratory(register=register, project=project, database=database)
            admit(lab)
            for remark in [*_touched(plan, database), *other_databases(project), *notes(project)]:
                listener.notice(remark)
            listener.preparing("preparing tables")
            make_ready(project, plan.project, database)
            yield lab


def _coming(project: Project, dsn: Reference | None) -> str:
    if project.brings_database:
        return "connecting to the project's database"
    return "PostgreSQL starts" if dsn is None or dsn.text is None else "connecting to the given database"


def _service(
    plan: Plan, project: Project, dsn: Reference | None, register: Register, logs: Path
) -> AbstractContextManager[Database]:
    if dsn is not None and dsn.text is not None:
        return external_database(dsn, register.folder)
    if project.brings_database and project.info is not None:
        parameters = project.info.default.parameters
        return connect_to(parameters, register.folder, allow_remote=dsn is not None and dsn.allow_remote)
    others = sorted({*project.redirected.values()} - {TARGET})
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
def equipped(
    lab: Laboratory, plan: Plan, logs: Path, listener: Listener, *, follow: Callable[[Sampled], None] | None = None
) -> Iterator[Bench]:
    """A bench to run trials on: the laboratory with a generator, and with the judge's own connection.

    `follow` hears twice a second how a trial goes.

    Raises:
        EnvironmentFaultError: Locust does not start, or the database refuses.
    """
    listener.preparing(_load_comes(plan))
    with Generator(lab.register, logs / LOCUST_LOG, plan.load) as generator, Observer(lab.database) as observer:
        yield Bench(
            plan=plan,
            project=lab.project,
            observer=observer,
            register=lab.register,
            generator=generator,
            logs=logs,
            scratch=lab.register.folder,
            follow=follow,
        )


def begin(
    path: Path,
    experiment: Experiment,
    dsn: Reference | None,
    listener: Listener,
    continuation: Continuation = ONLY_RESUME,
) -> RunFolder:
    """Make a run from its beginning in the folder `path`; what it returns is complete.

    Raises:
        LabError: see `resume`.
    """
    state_directory()  # if there can be none, it is said before a folder is made
    steps = schedule(experiment.cases, experiment.plan.blocks, experiment.plan.seed)
    planned = Schedule(
        id=path.name,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        cases=experiment.cases,
        steps=[Step(order=order, block=block, case=case) for order, (block, case) in enumerate(steps)],
        continuation=continuation,
    )
    folder = RunFolder.begin(path, experiment.text, planned)
    try:
        resume(folder, experiment.plan, dsn, listener, continuation)
    except (UsageError, EnvironmentFaultError, StoppedError):
        if not folder.has_begun():  # or the same command would find a folder that is not empty, once all is mended
            folder.discard()
        raise
    return folder


def resume(
    folder: RunFolder,
    plan: Plan,
    dsn: Reference | None,
    listener: Listener,
    continuation: Continuation = ONLY_RESUME,
) -> None:
    """Make all trials of a run that it does not have yet, and those once more that failed or were disturbed.

    Raises:
        UsageError: its trials would not be of one experiment, or another lab works on it.
        EnvironmentFaultError: something the run needs is missing, or a server does not start.
        IncompleteError: the database went away for good.
        StoppedError: the user or the system asked to stop. In all cases what was measured is in the folder.
    """
    with folder.expected_to_stay(), folder.locked():
        mended = repair(folder)
        planned, journal = folder.schedule(), Journal(folder, listener)
        for sentence in mended:
            journal.notice(sentence)
        present = {trial.order for trial in measured_for_good(folder.trials()[0])}
        missing = [step for step in planned.steps if step.order not in present]
        if missing:
            require_same_kind(folder, plan, dsn)
        total = len(planned.steps)
        with journal.whole(done=total - len(missing), total=total, trial_seconds=trial_seconds(plan)):
            if missing and (warning := busy(load_before_start())):
                journal.notice(warning)
            try:
                if missing and plan.target is not None:
                    _make_trials_elsewhere(folder, planned, missing, plan, dsn, journal, continuation)
                elif missing:
                    require_programs(planned.cases, own_site=plan.project is None)
                    _make_trials(folder, planned, missing, plan, dsn, journal, continuation)
            except psycopg2.OperationalError as error:  # between two trials, or before the first
                raise EnvironmentFaultError(f"PostgreSQL went away: {brief(error)}.") from error
            if plan.restarts:
                _count_restarts(folder, planned, plan.driver, journal)


def _make_trials(  # noqa: PLR0913, PLR0917  each is a noun of its own
    folder: RunFolder,
    planned: Schedule,
    missing: Sequence[Step],
    plan: Plan,
    dsn: Reference | None,
    journal: Journal,
    continuation: Continuation,
) -> None:
    def admit(lab: Laboratory) -> None:
        with lab.database.observed() as connection, connection.cursor() as cursor:
            begin_session(folder, environment(plan, lab.project, lab.database, cursor), continuation, journal)

    with laboratory(plan, dsn, folder.logs, journal, admit) as lab:
        with lab.database.observed() as connection, connection.cursor() as cursor:
            require_alone(cursor, lab.database)
            require_room(cursor, planned.cases)
        with equipped(lab, plan, folder.logs, journal, follow=journal.write) as bench:
            _check_locustfiles(planned, plan, bench.generator)

            def measured(case: Case, step: Step) -> Trial:
                journal.step_begins(step, bench.ledgers(step))
                trial = run_trial(case, step, bench)
                if why := bench.explanations.get(step.order):
                    _nothing_succeeded(folder, case, why, journal, first=step is planned.steps[0])
                return trial

            survival = Survival(
                plan=plan,
                generator=bench.generator,
                measure=measured,
                restore=bench.restore,
                cursor=lambda: bench.cursor,
                alive=bench.observer.alive,
            )
            _measure(folder, planned, missing, survival.trial, journal)


def _nothing_succeeded(folder: RunFolder, case: Case, why: str, listener: Listener, *, first: bool) -> None:
    """Stop a run whose first trial came to nothing: all others would, and a report of failures helps nobody."""
    if expects_failures(case.scenario):
        return
    if first:
        fault = EnvironmentFaultError(f"No request of the first trial succeeded ({case.id}). {why}")
        fault.add_note(
            f"Fix it, then: {folder.continuation().command(folder.path)} (where all requests are meant to fail, say"
            " EXPECT_FAILURES = True in the Locust file)."
        )
        raise fault
    listener.notice(f"No request succeeded ({case.id}). {why}")


def _make_trials_elsewhere(  # noqa: PLR0913, PLR0917  each is a noun of its own
    folder: RunFolder,
    planned: Schedule,
    missing: Sequence[Step],
    plan: Plan,
    dsn: Reference | None,
    journal: Journal,
    continuation: Continuation,
) -> None:
    """The same for a target that others serve: nothing is started but the generator."""
    with Register.opened() as register, observatory(plan, dsn, register.folder) as looking:
        begin_session(folder, environment_elsewhere(plan, looking), continuation, journal)
        journal.preparing(_load_comes(plan))
        with Generator(register, folder.logs / LOCUST_LOG, plan.load) as generator:
            _check_locustfiles(planned, plan, generator)
            post = Post(
                plan=plan, observatory=looking, generator=generator, scratch=register.folder, follow=journal.write
            )

            def measured(case: Case, step: Step) -> Trial:
                journal.step_begins(step, register.folder / "ledgers-elsewhere")  # where the target is, and not here
                trial = run_trial_elsewhere(case, step, post)
                if why := post.explanations.get(step.order):
                    _nothing_succeeded(folder, case, why, journal, first=step is planned.steps[0])
                return trial

            survival = Survival(
                plan=plan,
                generator=generator,
                measure=measured,
                restore=looking.restore,
                cursor=lambda: looking.cursor,
                alive=looking.alive,
            )
            _measure(folder, planned, missing, survival.trial, journal)


def _check_locustfiles(planned: Schedule, plan: Plan, generator: Generator) -> None:
    for scenario in dict.fromkeys(case.scenario for case in planned.cases):
        generator.check_locustfile(locustfile(scenario), shared=_is_shared(plan))


def _is_shared(plan: Plan) -> bool:
    """Whether a scenario may not say itself how many users there are."""
    return plan.load.model == "open" or plan.load_processes > 1


def _load_comes(plan: Plan) -> str:
    load = plan.load
    if not load.expect_workers:
        return "Locust starts"
    worker = f"python -m loadlab.load.distributed.worker --master-host HOST --master-port {load.master_bind_port}"
    where = f"Locust waits at {load.master_bind_host} for {load.expect_workers} load workers"
    return f"{where}: {worker} (on other hosts, with the same {TOKEN_VARIABLE} as here)"


def _measure(
    folder: RunFolder,
    planned: Schedule,
    missing: Sequence[Step],
    measured: Callable[[Case, Step], Trial],
    journal: Journal,
) -> None:
    total = len(planned.steps)
    for done, step in enumerate(missing, start=total - len(missing)):
        case = planned.cases[step.case]
        journal.trial_begins(case, done, total)
        try:
            trial = measured(case, step)
        except IncompleteError as error:
            raise IncompleteError(
                f"{error}\n{done} of {total} trials are safe; {folder.continuation().command(folder.path)} makes the"
                " others."
            ) from error
        folder.add_trial(trial)
        journal.trial_ended(trial, done + 1, total)


def _count_restarts(folder: RunFolder, planned: Schedule, driver: str, listener: Listener) -> None:
    """Restart the database under each kind of case; what is known already is not counted again."""
    known, _ = folder.restarts()
    if next_to_restart(planned.cases, known) is None:
        return
    with postgres_fixture(folder.logs, listener.preparing) as counting:
        while case := next_to_restart(planned.cases, known):
            listener.preparing(f"the database is restarted under {case.server.name}, {case.strategy}")
            known.append(restarted(case, driver, counting))
            folder.write_restarts(known)
