"""Pages keep their shape as they grow: every table has a header, and the changelog says nothing twice."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from test_links import PAGES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

UNDERLINE = re.compile(r"\|[\s:|-]+\|?")


def torn(page: Path) -> Iterator[str]:
    """Where a table begins without a header."""
    lines = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE).splitlines()
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        if line.startswith("|") and not before.startswith("|") and not UNDERLINE.fullmatch(after):
            yield f"{page.name}: {line}"


def twice(texts: Sequence[str]) -> list[str]:
    return [text for text, count in Counter(" ".join(text.split()) for text in texts).items() if count > 1]


def test_every_table_begins_with_a_header() -> None:
    assert [where for page in PAGES for where in torn(page)] == []


def test_each_version_of_the_changelog_has_a_section_once() -> None:
    for version in (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1:]:
        assert twice(re.findall(r"^### .+", version, re.MULTILINE)) == []


def test_no_entry_of_the_changelog_is_there_twice() -> None:
    entries = re.split(r"(?m)^(?=- |### )", (ROOT / "CHANGELOG.md").read_text())
    assert len(entries) > 100
    assert twice(entries) == []
