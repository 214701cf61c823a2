"""The README's day of three sites is the recorded one, and its fleets can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlab.fleet.fleet_file import read_fleet

ROOT = Path(__file__).resolve().parents[2]
FLEETS = sorted((ROOT / "benchmarks" / "fleets").glob("*.toml"))
ESTIMATED = "[application]\nconnect_ms = 4\nhold_ms = 10\n"


def test_the_readmes_table_is_the_recorded_one() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = readme.partition("<!-- sites -->\n")[2].partition("\n<!-- end of sites -->")[0]
    assert shown.startswith("| a day of |")
    assert shown in (ROOT / "benchmarks" / "recorded" / "sites.md").read_text()


@pytest.mark.parametrize("path", FLEETS, ids=lambda path: path.stem)
def test_a_site_of_the_table_can_be_asked(path: Path) -> None:
    fleet = read_fleet(f"{path.read_text()}\n{ESTIMATED}", str(path))
    assert fleet.question.hours == 24
    assert [one.parameters["max_age"] for one in fleet.strategies] == [0, 60, 600, None]
