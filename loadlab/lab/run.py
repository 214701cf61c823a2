"""A run: all trials of a schedule, each kept as soon as it has ended."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import psycopg2

from loadlab import __version__
from loadlab.errors import EnvironmentFaultError, IncompleteError, StoppedError, UsageError
from loadlab.lab.environment import environment, environment_of_external
from loadlab.lab.fixture import postgres_fixture
from loadlab.lab.holding import measured_holding
from loadlab.lab.hopeless import first_of_its_side
from loadlab.lab.journal import Journal
from loadlab.lab.keys import require_keys
from loadlab.lab.machine_load import busy, load_before_start
from loadlab.lab.opening import open_external_lab, open_lab
from loadlab.lab.opens import open_times
from loadlab.lab.preflight import require_own_database, require_programs, require_room
from loadlab.lab.remaining import Remaining
from loadlab.lab.restarts import next_to_restart, restarted
from loadlab.lab.resuming import begin_session, require_same_kind
from loadlab.lab.sampler import brief
from loadlab.lab.served_target import ServedTarget
from loadlab.lab.suitability import require_alone
from loadlab.lab.survival import Survival
from loadlab.lab.trial import run_trial
from loadlab.load.distributed.signing import TOKEN_VARIABLE
from loadlab.model.schedule import Schedule, Step
from loadlab.model.session import Continuation
from loadlab.plan.members import build_strategy
from loadlab.plan.scenarios import expects_failures, locustfile
from loadlab.plan.schedule import schedule, trial_seconds
from loadlab.store.folder import RunFolder
from loadlab.store.repair import repair
from loadlab.system.state_folder import state_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.lab.generator import Generator
    from loadlab.lab.lab import Lab
    from loadlab.lab.opening import Listener
    from loadlab.lab.remaining import Leaving
    from loadlab.lab.target import Target
    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.samples import Trial
    from loadlab.plan.experiment import Experiment
    from loadlab.services.external_database import Reference


ONLY_RESUME: Final = Continuation()


def create(
    path: Path, experiment: Experiment, continuation: Continuation = ONLY_RESUME, *, fixed: bool = True
) -> RunFolder:
    """Make the folder of a new run, with its schedule; with `fixed`, no case leaves it before the last block.

    Raises:
        UsageError: the folder cannot be used.
        EnvironmentFaultError: the disk is full, or loadlab has no place for its own files.
    """
    state_directory()  # if there can be none, the user is told before a folder is made
    steps = schedule(experiment.cases, experiment.plan.blocks, experiment.plan.seed)
    planned = Schedule(
        id=path.name,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        cases=experiment.cases,
        steps=[Step(order=order, block=block, case=case) for order, (block, case) in enumerate(steps)],
        continuation=continuation,
        fixed=fixed,
    )
    return RunFolder.begin(path, experiment.text, planned)


def begin(  # noqa: PLR0913  where, what, on what, who hears of it, and how
    folder: RunFolder,
    plan: Plan,
    dsn: Reference | None,
    listener: Listener,
    *,
    continuation: Continuation = ONLY_RESUME,
    leaving: Leaving | None = None,
) -> None:
    """Make all trials of a new run. If it ends before its first trial, its folder is removed.

    `leaving` tells after each block which cases leave; without it, all stay to the last.

    Raises:
        LabError: see `resume`.
    """
    try:
        resume(folder, plan, dsn, listener, continuation=continuation, leaving=leaving)
    except (UsageError, EnvironmentFaultError, StoppedError):
        if not folder.has_begun():  # otherwise the same command, once the cause is fixed, finds a folder in use
            folder.discard()
        raise


def resume(  # noqa: PLR0913  as above
    folder: RunFolder,
    plan: Plan,
    dsn: Reference | None,
    listener: Listener,
    *,
    continuation: Continuation = ONLY_RESUME,
    leaving: Leaving | None = None,
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
        journal = Journal(folder, listener)
        for sentence in mended:
            journal.notice(sentence)
        remaining = Remaining(folder, journal, leaving)
        if remaining:
            require_same_kind(folder, plan, dsn)
        session = _Session(
            folder=folder, remaining=remaining, plan=plan, dsn=dsn, journal=journal, continuation=continuation
        )
        with journal.whole(done=remaining.done, total=remaining.total, trial_seconds=trial_seconds(plan)):
            if remaining and (warning := busy(load_before_start())):
                journal.notice(warning)
            try:
                if remaining:
                    session.make_trials()
            except psycopg2.OperationalError as error:  # between two trials, or before the first
                raise EnvironmentFaultError(f"PostgreSQL went away: {brief(error)}.") from error
            if plan.restarts:
                _count_restarts(folder, remaining.planned, plan.driver, journal)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Session:
    """One time that a lab works at a run."""

    folder: RunFolder
    remaining: Remaining
    plan: Plan
    dsn: Reference | None
    journal: Journal
    continuation: Continuation

    @property
    def planned(self) -> Schedule:
        return self.remaining.planned

    def make_trials(self) -> None:
        """Measure the missing trials one after the other, and keep each."""
        opened = self._external if self.plan.target is not None else self._served
        with opened() as (lab, target):
            self.journal.preparing(_load_comes(self.plan))
            _check_locustfiles(self.planned, self.plan, lab.generator)

            def measured(case: Case, step: Step, following: tuple[Case, Step] | None) -> Trial:
                self.journal.step_begins(step, target.ledgers(step))
                trial = run_trial(case, step, lab, target, following)
                if why := lab.explanations.get(step.order):
                    _nothing_succeeded(self.folder, step, why, self.journal, self.planned)
                return trial

            survival = Survival(lab=lab, target=target, measure=measured)
            _measure(self.folder, self.remaining, survival, self.journal)
            if self.plan.target is None:
                self._look_where_opens_take_their_time(lab)
                if self.plan.holding:
                    self._measure_what_keeping_costs(lab)

    def _look_where_opens_take_their_time(self, lab: Lab) -> None:
        """After the trials, which stay complete if this fails."""
        if lab.database.embedded:
            self.journal.preparing("connections are opened, to see what takes the time")
        try:
            self.folder.write_opens(open_times(lab, self.planned.cases))
        except (EnvironmentFaultError, psycopg2.Error) as error:
            self.journal.notice(f"Where the time of an open goes is not known: {brief(error)}.")

    def _measure_what_keeping_costs(self, lab: Lab) -> None:
        """As above."""
        self.journal.preparing("connections are held, to see what keeping them costs")
        try:
            self.folder.write_holding(measured_holding(lab, self.planned.cases, self.journal.notice))
        except (EnvironmentFaultError, psycopg2.Error) as error:
            self.journal.notice(f"What a kept connection costs is not known: {brief(error)}.")

    @contextmanager
    def _served(self) -> Iterator[tuple[Lab, Target]]:
        """A target that the lab serves, on a database that it has for itself."""
        require_programs(self.planned.cases, self.plan.driver if self.plan.project is None else None)
        with open_lab(self.plan, self.dsn, self.folder.logs, self.journal, admit=self._begin_served) as lab:
            require_alone(lab.judge, lab.database.name)
            require_room(lab.judge, self.planned.cases)
            require_keys(lab, [case.strategy for case in self.planned.cases])
            with closing(ServedTarget(lab=replace(lab, follow=self.journal.write))) as target:
                yield target.lab, target

    def _begin_served(self, lab: Lab) -> None:
        require_own_database(lab.database, self.planned.cases)
        begin_session(self.folder, environment(lab), self.continuation, self.journal)

    @contextmanager
    def _external(self) -> Iterator[tuple[Lab, Target]]:
        """A target that others serve: nothing is started but the generator."""
        with open_external_lab(self.plan, self.dsn, self.folder.logs) as (lab, target):
            facts = environment_of_external(self.plan, target)
            begin_session(self.folder, facts, self.continuation, self.journal)
            yield replace(lab, follow=self.journal.write), target


def _nothing_succeeded(folder: RunFolder, step: Step, why: str, listener: Listener, planned: Schedule) -> None:
    """Stop a run whose first trial of a side came to nothing: all others would, and a report of failures is no help."""
    case = planned.cases[step.case]
    if expects_failures(case.scenario):
        return
    if not first_of_its_side(step, planned):
        listener.notice(f"No request succeeded ({case.id}). {why}")
        return
    of_side = "" if case.is_this_side else f" of {case.side}"
    fault = EnvironmentFaultError(f"No request of the first trial{of_side} succeeded ({case.id}). {why}")
    # The other side's commit is settled, and so is the code of trials that are kept.
    again = "start a new run" if step.order or of_side else folder.continuation().command(folder.path)
    both = "Both sides get the same requests. " if of_side else ""
    meant = "where all requests are meant to fail, say EXPECT_FAILURES = True in the Locust file"
    fault.add_note(f"{both}Fix it, then: {again} ({meant}).")
    raise fault


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


def _measure(folder: RunFolder, remaining: Remaining, survival: Survival, journal: Journal) -> None:
    for step in remaining.steps():
        case, done, total = remaining.planned.cases[step.case], remaining.done, remaining.total
        journal.trial_begins(case, done, total)
        try:
            trial = survival.trial(case, step, remaining.following)
        except IncompleteError as error:
            raise IncompleteError(
                f"{error}\n{done} of {total} trials are recorded. {folder.continuation().command(folder.path)} runs the"
                " missing trials."
            ) from error
        folder.add_trial(trial)
        remaining.made(trial)
        journal.trial_ended(trial, remaining.done, remaining.total)


def _count_restarts(folder: RunFolder, planned: Schedule, driver: str, listener: Listener) -> None:
    """Restart the database under each kind of case; what is known already is not counted again."""
    known, _ = folder.restarts()
    if next_to_restart(planned.cases, known) is None:
        return
    # A key is used only where PostgreSQL asks for it; all others log in faster without.
    asked = any(build_strategy(case.strategy).service for case in planned.cases)
    with postgres_fixture(folder.logs, listener.preparing, auth="scram" if asked else "trust") as counting:
        while case := next_to_restart(planned.cases, known):
            listener.preparing(f"the database is restarted under {case.server.name}, {case.strategy}")
            known.append(restarted(case, driver, counting))
            folder.write_restarts(known)
