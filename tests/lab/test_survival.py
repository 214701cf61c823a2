"""The lab's own connection to the database: how it breaks, and how it comes back."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg2
import pytest
from every import every
from laboratory import PLAN
from patience import await_that

from loadlab.errors import EnvironmentFaultError, IncompleteError
from loadlab.lab import observer as observing
from loadlab.lab.observer import Observer, cut_off, persevere
from loadlab.lab.sampler import Sampler
from loadlab.lab.survival import Survival
from loadlab.model.case import Case
from loadlab.model.config import Config
from loadlab.model.schedule import Step
from loadlab.model.window import Window
from loadlab.services.pgbouncer import PoolerGoneError

if TYPE_CHECKING:
    from loadlab.lab.lab import Lab
    from loadlab.model.samples import Trial

CASE = Case(
    server=Config(name="sync", parameters={}),
    strategy=Config(name="max_age", parameters={"max_age": 0}),
    scenario="read_one",
    users=1,
    keep_alive=False,
    usable_connections=1,
)


def test_a_terminated_connection_is_noticed_and_made_anew(lab: Lab) -> None:
    with Observer(lab.database) as observer:
        assert observer.alive()
        lab.cursor.execute("SELECT pg_terminate_backend(%s)", [observer.cursor.connection.info.backend_pid])
        assert not observer.alive()
        observer.restore()
        assert observer.alive()


def test_a_connection_that_never_answers_is_cut_off(lab: Lab) -> None:
    with (
        Observer(lab.database) as observer,
        pytest.raises(psycopg2.OperationalError),
        cut_off(lambda: observer.cursor.connection, 0.2),
    ):
        observer.cursor.execute("SELECT pg_sleep(600)")


def test_a_sampler_tells_for_how_long_it_saw_nothing_and_why(lab: Lab) -> None:
    """Two readings, and then the connection is gone; the window begins with the first."""
    with Observer(lab.database) as observer:
        readings = iter([0.0, 1.0])

        def read() -> dict[str, float]:
            if (value := next(readings, None)) is None:
                observer.cursor.connection.close()
            observer.cursor.execute("SELECT 1")
            return {"open": value or 0.0}

        with Sampler(read, 0.0, rate=1000.0) as sampler:
            await_that(lambda: len(sampler._missed) >= 3)
    at = list(sampler.series().at)
    seconds, error = sampler.blind(Window(at[0], at[1] + 5.0))
    assert (seconds, error) == (pytest.approx(5.0), "cursor already closed")
    assert sampler.blind(Window(at[0], at[1])) == (0.0, "")


def test_a_database_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> NoReturn:
        raise EnvironmentFaultError("connection refused")

    monkeypatch.setattr(observing, "AWAY_SECONDS", 0.3)
    with pytest.raises(IncompleteError, match=r"PostgreSQL was not available for 0\.3 s\. connection refused"):
        persevere(refuse)


def test_a_database_that_comes_back_is_waited_for() -> None:
    tried: list[int] = []

    def attempt() -> None:
        tried.append(1)
        if len(tried) < 3:
            raise EnvironmentFaultError("the database system is in recovery mode")

    persevere(attempt)
    assert len(tried) == 3


def survived(error: Exception, *, alive: bool) -> Trial:
    """What becomes of a trial that ends with an error, while the database answers or not."""

    def measure(case: Case, step: Step, following: tuple[Case, Step] | None) -> Trial:
        raise error

    given_up: list[int] = []
    generator: Any = SimpleNamespace(abandon=partial(given_up.append, 1))
    lab: Any = SimpleNamespace(plan=PLAN, generator=generator)
    target: Any = SimpleNamespace(restore=list, cursor=None, alive=lambda: alive)
    survival = Survival(lab=lab, target=target, measure=measure)
    trial = survival.trial(CASE, Step(order=3, block=1, case=0))
    assert given_up == [1]
    return trial


@every(
    ("error", "alive", "reason"),
    [
        (psycopg2.OperationalError("server closed the connection"), True, "PostgreSQL, or the connection"),
        (psycopg2.InterfaceError("cursor already closed"), False, "PostgreSQL, or the connection"),
        (PoolerGoneError("PgBouncer's console does not answer"), True, "PgBouncer went away during the trial"),
        (EnvironmentFaultError("The server sync ended before it was ready"), False, "PostgreSQL, or the connection"),
    ],
)
def test_an_outage_makes_the_trial_invalid_with_its_reason(error: Exception, alive: bool, reason: str) -> None:  # noqa: FBT001
    trial = survived(error, alive=alive)
    assert (trial.state, trial.order, trial.block, trial.by_target) == ("invalid", 3, 1, False)
    assert reason in trial.reason
    assert str(error) in trial.reason


def test_a_server_that_does_not_start_beside_a_sound_database_ends_the_run() -> None:
    with pytest.raises(EnvironmentFaultError, match="was not ready"):
        survived(EnvironmentFaultError("The server sync was not ready within 60 s"), alive=True)
