"""Each cause has a row in the table of its page, which its module's first line fills, and a section."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Final

from every import every

from loadlab.leak_causes import LEAK_CAUSES
from loadlab.leak_causes.base import PAGE

TEXT: Final = (Path(__file__).parents[2] / PAGE).read_text()
PARTS: Final = ("What you see", "Why", "What to do", "Make sure")


def made_table() -> str:
    """Most specific first, as they are asked."""
    causes = sorted((LEAK_CAUSES[name]() for name in LEAK_CAUSES), key=lambda cause: (cause.rank, cause.title))
    rows = [f"| [{cause.title}](#{cause.page.partition('#')[2]}) | {summary(cause)} |" for cause in causes]
    return "\n".join(["| cause | what it is |", "|---|---|", *rows])


def summary(cause: object) -> str:
    return (importlib.import_module(type(cause).__module__).__doc__ or "").partition("\n")[0]


def test_the_table_of_causes_is_what_the_family_says() -> None:
    table = re.search("<!-- causes: .*? -->\n\n(.*?)\n\n<!-- end of causes -->", TEXT, re.DOTALL)
    assert table is not None
    assert table[1] == made_table(), f"{PAGE} should have:\n{made_table()}"


@every("name", list(LEAK_CAUSES))
def test_each_cause_has_a_section_with_its_four_parts(name: str) -> None:
    _, heading, rest = TEXT.partition(f"\n## {LEAK_CAUSES[name].title}\n")
    assert heading, f"{PAGE} has no section {LEAK_CAUSES[name].title!r}"
    section = rest.partition("\n## ")[0]
    assert [part for part in PARTS if f"**{part}.**" not in section] == []
