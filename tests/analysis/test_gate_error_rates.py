"""The simulated error rates of gates, and of two runs, are those of the manual's tables."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "explanation" / "statistics.md"


def rows(title: str) -> dict[str, list[list[float]]]:
    """Of a table of the page: the first cell → the figures of each other cell."""
    text = PAGE.read_text(encoding="utf-8").partition(f"### {title}")[2]
    lines = text.partition("\n| ")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: [[float(one) for one in cell.split(" / ")] for cell in rest if cell != "–"] for name, *rest in cells}


def test_no_change_of_nothing_fails_more_than_a_twentieth_of_builds() -> None:
    found = rows("A change of nothing")
    assert len(found) == 8
    assert max(rate for cells in found.values() for (rate,) in cells) <= 0.06  # 5 %, and two standard errors


def test_the_default_plan_catches_a_loss_of_a_tenth_in_four_of_five_builds() -> None:
    caught = [fails for fails, _ in rows("A loss of 10 %")["12"][:3]]
    assert min(caught) >= 0.8


@pytest.mark.process
@pytest.mark.parametrize(("program", "of"), [("gate_error_rates", "builds"), ("two_runs_error_rates", "pairs of runs")])
def test_error_rates_are_written_between_their_marks(tmp_path: Path, program: str, of: str) -> None:
    page = tmp_path / "statistics.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    command = [sys.executable, str(ROOT / "benchmarks" / f"{program}.py"), "--runs", "1", "--write", str(page)]
    subprocess.run(command, check=True, capture_output=True)
    written = page.read_text(encoding="utf-8")
    assert f"1 simulated {of} for each figure" in written
    assert re.sub(r"\d[\d,.]*", "0", written) == re.sub(r"\d[\d,.]*", "0", PAGE.read_text(encoding="utf-8"))


def test_intervals_of_two_runs_hold_the_truth_as_often_as_the_manual_says() -> None:
    found = rows("How often the interval holds the truth")
    same = [allowing for _, allowing in found["levels of runs vary as much as trials"]]
    assert min(same) >= 0.94  # 95 %, and what ties and the expansion of t take
    assert max(without for without, _ in found["levels of runs vary as much as trials"]) < 0.8
