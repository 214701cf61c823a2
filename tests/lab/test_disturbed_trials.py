"""A trial that was disturbed is never complete: real processes are stopped and killed while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from disturbing import kill, meanwhile, ours, stop

from loadlab.plan.members import config_of
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from laboratory import TrialRunner

    from loadlab.model.samples import Trial

pytestmark = pytest.mark.usefixtures("one_try")

WINDOW_SECONDS: Final = 4.0
STILL_SECONDS: Final = 1.5
POOLED: Final = config_of(STRATEGIES, "pgbouncer", {}, "strategy")


def backends() -> None:
    stop(ours("postgres: loadlab loadlab"), STILL_SECONDS)


def test_a_worker_that_is_killed_makes_its_trial_invalid(trial: TrialRunner) -> None:
    with meanwhile(trial.lab, lambda: kill(ours("gunicorn")[-1:])):
        seen = trial("sync", window_seconds=2.0)
    assert seen.state == "invalid"
    assert "a worker of sync (pid " in seen.reason
    assert "ended before the window did" in seen.reason
    assert seen.by_target


@pytest.mark.slow
class TestStoppedForAWhile:
    """And they go on before the window ends: nothing but a gap is left of it."""

    def test_a_stopped_load_process_is_named(self, trial: TrialRunner) -> None:
        with meanwhile(trial.lab, lambda: stop(ours("loadlab.load.generator"), STILL_SECONDS)):
            seen = trial("sync", window_seconds=WINDOW_SECONDS)
        assert seen.state == "invalid"
        assert "the generator did not run for 1." in seen.reason
        assert not seen.by_target

    def test_stopped_database_backends_show_as_a_silence(self, trial: TrialRunner) -> None:
        with meanwhile(trial.lab, backends):
            seen = trial("sync", max_age=60, window_seconds=WINDOW_SECONDS)
        assert_silent(seen)

    def test_a_stopped_pgbouncer_shows_as_a_silence(self, trial: TrialRunner) -> None:
        with meanwhile(trial.lab, lambda: stop(ours("pgbouncer"), STILL_SECONDS)):
            seen = trial("sync", strategy=POOLED, window_seconds=WINDOW_SECONDS)
        assert_silent(seen)

    def test_a_stopped_server_shows_as_a_silence(self, trial: TrialRunner) -> None:
        with meanwhile(trial.lab, lambda: stop(ours("runserver"), STILL_SECONDS)):
            seen = trial("threaded", max_age=60, window_seconds=WINDOW_SECONDS)
        assert_silent(seen)


def assert_silent(seen: Trial) -> None:
    assert seen.state == "invalid"
    assert "requests were under way and none was answered for 1." in seen.reason
    assert seen.by_target


@pytest.mark.slow
def test_a_killed_uvicorn_worker_makes_its_trial_invalid(trial: TrialRunner) -> None:
    with meanwhile(trial.lab, lambda: kill(ours("spawn_main")[-1:])):
        seen = trial("asgi", workers=2, window_seconds=WINDOW_SECONDS)
    assert seen.state == "invalid"
    assert "a worker of asgi (pid " in seen.reason


@pytest.mark.slow
def test_a_killed_gunicorn_master_makes_its_trial_invalid(trial: TrialRunner) -> None:
    with meanwhile(trial.lab, lambda: kill(ours("gunicorn")[:1])):
        seen = trial("sync", window_seconds=2.0)
    assert seen.state == "invalid"
    assert "sync (pid " in seen.reason


@pytest.mark.slow
def test_backends_that_stay_stopped_spoil_one_trial_and_no_other(trial: TrialRunner) -> None:
    with meanwhile(trial.lab, lambda: stop(ours("postgres: loadlab loadlab"))):
        spoilt = trial("sync", max_age=60, window_seconds=2.0)
    assert spoilt.state == "invalid"
    trial.target.restore()
    assert trial("sync", max_age=60).state == "complete"


@pytest.mark.slow
@pytest.mark.parametrize("server", ["sync", "gthread", "gevent", "threaded", "asgi"])
def test_an_undisturbed_trial_is_complete_in_every_mode(trial: TrialRunner, server: str) -> None:
    seen = trial(server, max_age=60, window_seconds=2.0)
    assert (seen.state, seen.reason) == ("complete", "")


@pytest.mark.slow
def test_slow_requests_and_users_who_pause_are_no_disturbance(trial: TrialRunner) -> None:
    for scenario in ("slow_query", "think_time", "mixed"):
        seen = trial("gthread", max_age=60, window_seconds=WINDOW_SECONDS, scenario=scenario)
        assert (seen.state, seen.reason) == ("complete", "")
