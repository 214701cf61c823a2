"""A lab for the tests: one embedded PostgreSQL and one generator, real trials on them.

Nothing starts before a test asks for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from patience import await_that

from loadlab.lab.opening import open_lab
from loadlab.lab.project import Project
from loadlab.lab.served_target import ServedTarget
from loadlab.lab.trial import run_trial
from loadlab.model.case import Case
from loadlab.model.causes import Cause
from loadlab.model.plan import Plan
from loadlab.model.schedule import Step
from loadlab.plan.members import config_of, usable_connections
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.lab.lab import Lab
    from loadlab.model.config import Config
    from loadlab.model.planned_fault import PlannedFault
    from loadlab.model.samples import Trial

NO_ANSWER = "no answer"
OF_THE_MACHINE = {
    Cause.GENERATOR_STOOD_STILL,
    Cause.GENERATOR_BUSY,
    Cause.USERS_IDLE,
    Cause.TARGET_STOOD_STILL,
    Cause.LAB_STOOD_STILL,
}
WINDOW_SECONDS = 0.4
LONGER = (1, 3, 9)  # times the window that is long enough on an idle machine
PLAN = Plan(servers={}, strategies={}, warmup_seconds=0.1, window_seconds=WINDOW_SECONDS)


class Quiet:
    """Listens to a run and says nothing."""

    def preparing(self, what: str) -> None: ...

    def notice(self, what: str) -> None: ...

    def trial_begins(self, case: Case, done: int, total: int) -> None: ...

    def trial_ended(self, trial: Trial, done: int, total: int) -> None: ...


class TrialRunner:
    """Runs single trials, described as briefly as tests want to.

    One for which the machine had no time says nothing about what a test asserts: it is run again, for longer each time.
    """

    tries = 4

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.target = ServedTarget(lab=lab)
        self._order = 0

    def changed(self, *, plan: Plan) -> TrialRunner:
        """The same with another plan."""
        other = TrialRunner(replace(self.lab, plan=plan))
        other.tries = self.tries
        other._order = self._order + 1000
        return other

    def __call__(  # noqa: PLR0913
        self,
        server: str,
        *,
        max_age: float | None = 0,
        strategy: Config | None = None,
        keep_alive: bool = False,
        users: int = 6,
        scenario: str = "read_one",
        driver: Any = "psycopg2",
        window_seconds: float = WINDOW_SECONDS,
        round_trip_ms: float = 0.0,
        idle_percent: int = 0,
        project: Project | None = None,
        fault: PlannedFault | None = None,
        fewest: int = 12,
        **parameters: Any,
    ) -> Trial:
        """A trial with `fewest` requests at least, if the machine can."""
        choice = config_of(SERVERS, server, parameters, "server")
        strategy = strategy or config_of(STRATEGIES, "max_age", {"max_age": max_age}, "strategy")
        case = Case(
            server=choice,
            strategy=strategy,
            scenario=scenario,
            users=users,
            keep_alive=keep_alive,
            usable_connections=usable_connections(choice, strategy, users),
            round_trip_ms=round_trip_ms,
            idle_percent=idle_percent,
            fault=fault,
        )
        for number in range(self.tries):
            self._order += 1
            plan = replace(self.lab.plan, window_seconds=window_seconds * 2**number)
            lab = replace(self.lab, plan=plan, project=project or Project(driver=driver))
            done = run_trial(case, Step(order=self._order, block=0, case=0), lab, replace(self.target, lab=lab))
            too_few = done.state == "complete" and len(done.requests.ended) < fewest
            if not (too_few or OF_THE_MACHINE.intersection(done.causes) or _stood_still(done)):
                break
        return done


def in_longer_windows(
    trial: Callable[..., Trial],
    *what: Any,
    enough: Callable[[Trial], object],
    window_seconds: float = 2 * WINDOW_SECONDS,
    **more: Any,
) -> Trial:
    """A trial in the shortest window in which enough happens: the machine decides who gets a request, and how soon.

    What a test claims, it claims of the last one.
    """
    for longer in LONGER:
        done = trial(*what, window_seconds=longer * window_seconds, **more)
        if enough(done):
            break
    return done


def _stood_still(trial: Trial) -> bool:
    """Whether a request was still without a response after half the window, when the load ended."""
    return any(failure.kind == NO_ANSWER for failure in trial.failures)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    logs = tmp_path_factory.mktemp("logs")
    with open_lab(PLAN, None, logs, Quiet()) as opened:
        yield opened


@pytest.fixture(scope="session")
def trial(lab: Lab) -> TrialRunner:
    return TrialRunner(lab)


@pytest.fixture
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test disturbs from outside is the trial that it asks for, and not another one after it."""
    monkeypatch.setattr(TrialRunner, "tries", 1)


def open_sessions(lab: Lab) -> int:
    """How many sessions of the target's database PostgreSQL shows now; the tests' own count, beside the judge's."""
    lab.cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [lab.database.name])
    (count,) = lab.cursor.fetchone() or (0,)
    return int(count)


def await_alone(lab: Lab) -> None:
    """Wait until the target's database has no session: those of earlier tests may still be ending."""
    await_that(lambda: open_sessions(lab) == 0, lambda: f"{open_sessions(lab)} stay connected")


def sessions_counted(lab: Lab) -> int:
    """PostgreSQL's own count, once no client is connected any more."""
    await_alone(lab)
    lab.cursor.execute("SELECT sessions FROM pg_stat_database WHERE datname = %s", [lab.database.name])
    (count,) = lab.cursor.fetchone() or (0,)
    return int(count)
