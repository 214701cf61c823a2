"""`--expect-workers`: a real run whose load comes from processes that come to it, as from other hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_SECONDS

from loadlab.store.folder import RunFolder
from loadlab.system.ports import free_port
from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine, InProcess

PLAN = """
blocks = 2
warmup_seconds = 0.2
window_seconds = 1.0
users = [4]
keep_alive = [true]
[servers.sync]
[strategies.max_age]
max_age = "none"
"""


def test_a_run_waits_for_its_workers_and_splits_its_load_over_them(loadlab: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    port, run = free_port(), tmp_path / "run"
    argv = [sys.executable, "-m", "loadlab.load.distributed.worker", "--master-port", str(port)]
    with ExitStack() as workers:
        environment = {**os.environ, STATE_VARIABLE: str(loadlab.state)}  # where the run leaves its token
        popen = partial(subprocess.Popen, argv, stderr=subprocess.DEVNULL, env=environment)
        started = [workers.enter_context(popen()) for _ in range(2)]
        for worker in started:
            workers.callback(worker.kill)
        arguments = ("--expect-workers", "2", "--master-bind-port", port, "--out", run)
        outcome = loadlab("run", tmp_path / "plan.toml", *arguments)
        assert outcome.code == 0, outcome.stderr
        assert [worker.wait(PATIENCE_SECONDS) for worker in started] == [0, 0]
    assert "waits at 127.0.0.1 for 2 load workers" in outcome.stderr.replace("\n", " ")
    trials, damaged = RunFolder.at(run).trials()
    assert not damaged
    assert len(trials) == 2
    for trial in trials:
        # Where others keep both cores busy, a start may be later than a trial allows; then it says so.
        assert trial.state == "complete" or "may have started" in trial.reason, trial.reason
        assert len(trial.busy) == 2
        assert trial.skew_seconds > 0
        assert trial.cpu_seconds.generator == pytest.approx(sum(trial.busy) * 1.0)
        assert trial.connections.exact
        assert len(trial.requests.ended) > 0
    load = json.loads((run / "environment.json").read_text())["load"]
    assert load["load processes"] == 2
    assert load["load workers come to"] == f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ["--expect-workers", "5"],
            "users: 4 users cannot be split over 5 load processes (lower load.expect_workers",
        ),
        (["--expect-workers", "2", "--load-workers", "2"], "load_workers: counts load processes on this host only"),
        (
            ["--expect-workers", "2", "--master-bind-host", "192.0.2.1"],
            "load.master_bind_host: workers on other hosts cannot reach",
        ),
        (["--expect-workers", "-1"], "load.expect_workers: should be greater than or equal to 0"),
        (["--expect-workers", "2", "--master-bind-port", "0"], "load.master_bind_port: should be greater than"),
    ],
)
def test_what_cannot_be_shared_out_is_refused_before_anybody_is_waited_for(
    here: InProcess, tmp_path: Path, arguments: list[str], why: str
) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    outcome = here("run", tmp_path / "plan.toml", *arguments, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert why in outcome.stderr
    assert not (tmp_path / "run").exists()
