"""The table of faults in the documentation: each row names tests that there are, or describes a run by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FAULTS: Final = 74


def test_every_fault_has_its_test_or_a_run_by_hand() -> None:
    page = (ROOT / "docs" / "reference" / "faults.md").read_text()
    rows = [row for row in page.splitlines() if row.startswith("| ") and not row.startswith(("| fault", "|---"))]
    assert len(rows) == FAULTS
    for row in rows:
        where = row.rstrip("| ").rpartition("|")[2]
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", where)
        by_hand = re.findall(r"\[by hand\]\(#([\w-]+)\)", where)
        assert named or by_hand, row
        for path, name in named:
            assert re.search(rf"^ *(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"
        for anchor in by_hand:
            assert f"\n## {anchor.replace('-', ' ').capitalize()}\n" in page, anchor
