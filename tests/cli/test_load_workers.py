"""`--load-workers`: the load of a real run from several processes, said in its plan, its record and its reports."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from loadlab.store.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine, InProcess

PLAN = """
blocks = 1
warmup_seconds = 0.2
window_seconds = {window_seconds}
primary_metric = "p95"
[load]
model = "open"
rate = 30
outstanding = 20
[servers.sync]
[strategies.max_age]
max_age = 0
"""


def test_each_trial_holds_the_requests_of_all_load_workers(loadlab: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN.format(window_seconds=1.0))
    run = tmp_path / "run"
    outcome = loadlab("run", tmp_path / "plan.toml", "--load-workers", "2", "--out", run)
    # Where others keep both cores busy, requests may be sent too late, in both trials; then nothing can be said.
    assert outcome.code == 0 or "requests were sent late" in outcome.stderr, outcome.stderr
    assert "load_workers = 2" in (run / "plan.toml").read_text()
    load = json.loads((run / "environment.json").read_text())["load"]
    assert load["load processes"] == 2
    assert load["generator"] == "Locust, open loop, poisson arrivals"
    trials, damaged = RunFolder.at(run).trials()
    assert not damaged
    assert [len(trial.busy) for trial in trials] == [2, 2]  # the arm, and the same once more
    # The same seed and the same block: both met the same arrivals.
    first, second = (sorted([*trial.requests.due, *trial.requests.dropped]) for trial in trials)
    assert first == pytest.approx(second, abs=1e-9)
    assert "p99 ms send lag" in (run / "report.md").read_text()


@pytest.mark.parametrize(
    ("workers", "why"),
    [
        ("0", "load_workers: should be greater than or equal to 1"),
        ("many", "--load-workers: invalid int"),
        ("21", "load.outstanding: 20 tasks cannot be split over 21 load processes"),
    ],
)
def test_an_impossible_number_of_load_workers_is_refused_early(
    here: InProcess, tmp_path: Path, workers: str, why: str
) -> None:
    (tmp_path / "plan.toml").write_text(PLAN.format(window_seconds=1.0))
    outcome = here("run", tmp_path / "plan.toml", "--load-workers", workers, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert why in outcome.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_resumed_keeps_its_load_workers(here: InProcess, tmp_path: Path) -> None:
    outcome = here("run", "--resume", tmp_path, "--load-workers", "2")
    assert outcome.code == 2
    assert "--load-workers" in outcome.stderr


def test_a_lab_that_is_asked_to_stop_ends_all_of_its_load_processes(loadlab: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN.format(window_seconds=600.0))
    arguments = ("run", tmp_path / "plan.toml", "--load-workers", "3", "--out", tmp_path / "run")
    with loadlab.started(*arguments) as command:
        command.wait_until(lambda: len(load_processes(loadlab)) >= 5)  # the generator, the leader, its three
        command.popen.send_signal(signal.SIGINT)
        assert command.outcome().code == 130
    assert not load_processes(loadlab)


def load_processes(loadlab: CommandLine) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[1:3] == ["-m", "loadlab.load.generator"] and loadlab.owns(process)
    ]
