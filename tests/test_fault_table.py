"""Tables of the documentation whose rows name a test: there is such a test or script, or the row says that none is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FAULTS: Final = 95
FACTS: Final = 35


def test_every_fault_has_its_test_or_a_run_by_hand() -> None:
    page = (ROOT / "docs" / "reference" / "faults.md").read_text()
    rows = rows_of(page, "fault")
    assert len(rows) == FAULTS
    for row in rows:
        where = row.rstrip("| ").rpartition("|")[2]
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", where)
        by_hand = re.findall(r"\[by hand\]\(#([\w-]+)\)", where)
        assert named or by_hand, row
        for path, name in named:
            assert _is_there(path, name), f"{path}::{name}"
        for anchor in by_hand:
            assert f"\n## {anchor.replace('-', ' ').capitalize()}\n" in page, anchor


def test_every_fact_about_drivers_has_its_test_or_says_that_it_has_none() -> None:
    page = (ROOT / "docs" / "explanation" / "drivers.md").read_text()
    rows = rows_of(page, "fact")
    assert len(rows) == FACTS
    for row in rows:
        where = row.rstrip("| ").rpartition("|")[2].strip()
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", where)
        scripts = re.findall(r"`(findings/[\w-]+\.sh)`", where)
        assert named or scripts or where == "–", row
        for path, name in named:
            assert _is_there(path, name), f"{path}::{name}"
        for script in scripts:
            assert (ROOT / script).is_file(), script


def rows_of(page: str, heading: str) -> list[str]:
    """The rows of all tables whose first column has that heading."""
    rows, inside = [], False
    for line in page.splitlines():
        inside = line.startswith("|") and (inside or line.startswith(f"| {heading}"))
        if inside and not line.startswith((f"| {heading}", "|---")):
            rows.append(line)
    return rows


def _is_there(path: str, name: str) -> bool:
    return bool(re.search(rf"^ *(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE))
