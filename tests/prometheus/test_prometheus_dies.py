"""A Prometheus that dies beside a run costs its own data, and nothing of the run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from command_line import SMALL_PLAN, trials_in

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine


@pytest.mark.slow
@pytest.mark.usefixtures("prometheus_program")
def test_a_report_is_complete_though_prometheus_was_killed(loadlab: CommandLine, tmp_path: Path) -> None:
    plan, out = tmp_path / "plan.toml", tmp_path / "run"
    plan.write_text(SMALL_PLAN.format(blocks=2))
    with loadlab.started("run", plan, "--out", out, "--prometheus") as run:
        run.wait_until(lambda: bool(trials_in(out)))
        killed = [process for process in loadlab.processes() if process.name() == "prometheus"]
        assert killed
        for process in killed:
            process.kill()
        outcome = run.outcome()
    assert outcome.code == 0, outcome.stderr
    report = json.loads((out / "report.json").read_text())
    assert report["run"]["state"] == "complete"
    assert len(trials_in(out)) == 6
