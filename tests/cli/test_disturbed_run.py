"""A run survives what befalls its database, its pooler and itself: one trial is invalid, and the others go on."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from command_line import SMALL_PLAN, CommandLine
from disturbing import kill, matching, stop

from loadlab.store.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil
    from command_line import Outcome

    from loadlab.model.samples import Trial

pytestmark = pytest.mark.slow

LONG = SMALL_PLAN.replace("window_seconds = 0.4", "window_seconds = 3.0").replace('[0, "none"]', '["none"]')
POOLED = LONG.replace('[strategies.max_age]\nmax_age = ["none"]', "[strategies.pgbouncer]")


def disturbed(
    loadlab: CommandLine, folder: Path, act: Callable[[list[psutil.Process]], None], plan: str = LONG
) -> tuple[Outcome, list[Trial]]:
    """A run of three blocks; `act` is done to its processes while the second is loaded."""
    (folder / "plan.toml").write_text(plan.format(blocks=3))
    path = folder / "run"
    with loadlab.started("run", folder / "plan.toml", "--out", path) as run:
        run.wait_until(lambda: loaded(path, 1))
        act(loadlab.processes())
        outcome = run.outcome()
    return outcome, RunFolder.at(path).trials()[0]


def loaded(path: Path, order: int) -> bool:
    """Whether the window of that trial has begun, going by what is told of it twice a second."""
    if not (path / "schedule.json").exists():
        return False
    trial = RunFolder.at(path).progress().trials.get(order)
    return trial is not None and trial.sampled is not None and trial.sampled.values.get("requests", 0) > 20


def states(trials: list[Trial]) -> list[str]:
    return [trial.state for trial in trials]


def only_second_is_invalid(outcome: Outcome, trials: list[Trial]) -> Trial:
    assert outcome.code == 0, outcome.stderr
    assert states(trials) == ["complete", "invalid", *["complete"] * (len(trials) - 2)], [one.reason for one in trials]
    return trials[1]


def postmaster(processes: list[psutil.Process]) -> list[psutil.Process]:
    return matching(processes, "bin/postgres", "-D")


def kill_a_backend(processes: list[psutil.Process]) -> None:
    """PostgreSQL ends all others too, and recovers as after a crash."""
    kill(matching(processes, "postgres: loadlab loadlab")[:1])


def kill_the_server(processes: list[psutil.Process]) -> None:
    kill(postmaster(processes))


def shut_the_server_down(processes: list[psutil.Process]) -> None:
    postmaster(processes)[0].send_signal(signal.SIGINT)


def terminate_the_observers(processes: list[psutil.Process]) -> None:
    """As pg_terminate_backend does it."""
    for observer in matching(processes, "postgres: postgres postgres"):
        observer.send_signal(signal.SIGTERM)


def destroy_the_cluster(processes: list[psutil.Process]) -> None:
    (server,) = postmaster(processes)
    (Path(server.cwd()) / "PG_VERSION").unlink()
    kill([server])


def stop_the_server_for_good(processes: list[psutil.Process]) -> None:
    """It does not answer any more, and does not end either."""
    stop(matching(processes, "postgres"))


BEFALLS: Final = (
    stop_the_server_for_good,
    kill_a_backend,
    kill_the_server,
    shut_the_server_down,
    terminate_the_observers,
)


@pytest.mark.parametrize("befalls", BEFALLS)
def test_a_run_goes_on_when_the_database_comes_back(
    loadlab: CommandLine, tmp_path: Path, befalls: Callable[[list[psutil.Process]], None]
) -> None:
    outcome, trials = disturbed(loadlab, tmp_path, befalls)
    spoilt = only_second_is_invalid(outcome, trials)
    assert "went away during the trial" in spoilt.reason
    assert loadlab.processes() == []


def test_a_run_goes_on_when_pgbouncer_is_killed(loadlab: CommandLine, tmp_path: Path) -> None:
    outcome, trials = disturbed(loadlab, tmp_path, lambda all_of: kill(matching(all_of, "pgbouncer.ini")), POOLED)
    assert "PgBouncer" in only_second_is_invalid(outcome, trials).reason


def test_a_run_that_was_suspended_goes_on(loadlab: CommandLine, tmp_path: Path) -> None:
    outcome, trials = disturbed(loadlab, tmp_path, lambda all_of: stop(all_of, 2.0))
    reason = only_second_is_invalid(outcome, trials).reason
    assert "the generator did not run for" in reason
    assert "loadlab itself did not run for" in reason


def test_a_database_that_stays_away_ends_the_run_incomplete(loadlab: CommandLine, tmp_path: Path) -> None:
    outcome, trials = disturbed(loadlab, tmp_path, destroy_the_cluster)
    assert outcome.code == 12, outcome.stderr
    assert states(trials) == ["complete", "invalid"]
    assert "PostgreSQL was not available for 60 s" in outcome.stderr
    assert f"loadlab run --resume {tmp_path / 'run'}" in outcome.stderr
    assert report(tmp_path)["run"]["state"] == "incomplete"
    assert loadlab.processes() == []


def report(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "run" / "report.json").read_text())
    return read
