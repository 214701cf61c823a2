"""The simulation of error rates judges as the analysis of a run does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = Path("docs", "explanation", "statistics.md")


@pytest.mark.slow
@pytest.mark.process
def test_error_rates_are_simulated_and_written_between_their_marks(tmp_path: Path) -> None:
    """The program itself compares its first runs with the analysis, and fails if they differ."""
    page = tmp_path / "statistics.md"
    page.write_text((ROOT / PAGE).read_text(encoding="utf-8"), encoding="utf-8")
    program = [sys.executable, str(ROOT / "benchmarks" / "error_rates.py"), "--runs", "20", "--write", str(page)]
    subprocess.run(program, check=True, capture_output=True)
    written = page.read_text(encoding="utf-8")
    assert "20 simulated runs for each figure" in written
    assert written.count("### ") == 10
    assert written.startswith("# Statistics")
    assert without_figures(written) == without_figures((ROOT / PAGE).read_text(encoding="utf-8"))


def without_figures(text: str) -> str:
    """The page as it is but for its figures, which differ from one number of simulated runs to another."""
    return re.sub(r"\d[\d,.]*", "0", text)
