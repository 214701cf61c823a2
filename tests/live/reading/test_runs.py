"""Runs are found by name, and never outside of their folder."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from factories.made_runs import made_run

from loadlab.live.reading.runs import Runs
from loadlab.live.reading.summary import summary
from loadlab.model.departure import Why

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_whose_name_is_not_text_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"run-\xff")).mkdir()
    (tmp_path / os.fsdecode(b"run-\xff") / "schedule.json").write_text("{}")
    assert Runs(folder=tmp_path).names() == []


@pytest.mark.parametrize("name", ["..", ".", "", "../run", "run/../../outside", "/etc", "link", "linked", "a\0b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    made_run(tmp_path / "outside")
    made_run(folder / "run")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "linked").mkdir()
    (folder / "linked" / "schedule.json").symlink_to(tmp_path / "outside" / "schedule.json")
    runs = Runs(folder=folder)
    assert runs.find(name) is None
    assert runs.names() == ["run"]
    assert runs.find("run") == folder / "run"


def test_a_run_whose_cases_left_is_listed_with_the_trials_that_remain(tmp_path: Path) -> None:
    """The orders of its trials have gaps, so the last of them is larger than their number."""
    made = made_run(tmp_path / "run", blocks=4)
    gone = made.schedule.cases[0]
    remains = made.schedule.without({gone: Why.LEAKS}, 2)
    for step in remains.steps:
        made.record(step.order)
    made.folder.write_schedule(replace(remains, key=made.folder.schedule().key, plan=made.folder.schedule().plan))
    found = summary(tmp_path / "run")
    assert found is not None
    assert (found.state, found.done, found.total) == ("complete", len(remains.steps), len(made.schedule.steps) - 2)
