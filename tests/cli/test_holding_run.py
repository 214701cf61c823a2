"""A run that is asked what a kept connection costs: from the plan to the report, and on to the fleet model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from command_line import SMALL_PLAN

from loadlab.fleet.application import application_of_run
from loadlab.store.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine


@pytest.mark.slow
def test_what_a_run_measures_of_a_kept_connection_is_in_report_and_model(loadlab: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "run"
    plan = f"holding = true\nidle_percent = [0, 50]\n{SMALL_PLAN.format(blocks=1)}"
    (tmp_path / "plan.toml").write_text(plan)
    outcome = loadlab("run", tmp_path / "plan.toml", "--out", path)
    assert outcome.code == 0, outcome.stderr
    assert "is not known" not in outcome.stderr
    assert "Keeping a connection" in outcome.stdout
    measured, damage = RunFolder.at(path).holding()
    assert damage == []
    assert measured is not None
    assert measured.used is not None
    report = json.loads((path / "report.json").read_text())
    assert report["holding"]["measured"]["used"]["resident"]["value"] == measured.used.resident.value
    assert report["holding"]["break_even"]
    beside = {one["case"] for one in report["comparisons"] if one["question"] == "idle"}
    assert beside
    assert beside == {one["case"] for one in report["beside_idle"]}
    assert application_of_run(path).connection_bytes == measured.connection_bytes
