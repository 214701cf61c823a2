"""report.md is Markdown that GitHub renders as meant, with any names."""

from __future__ import annotations

from every import every
from factories import reports
from markdown_it import MarkdownIt

from loadlab.model.text import printable


def tokens(variant: str = "complete") -> list:  # type: ignore[type-arg]
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parsed = parser.parse(reports.rendered("markdown", variant))
    return [token for block in parsed for token in (block, *(block.children or ()))]


def headings(variant: str) -> list[str]:
    found = tokens(variant)
    return [found[i + 1].content for i, token in enumerate(found) if token.type == "heading_open"]


@every("variant", reports.VARIANTS)
def test_every_table_row_has_as_many_cells_as_its_head(variant: str) -> None:
    # A Markdown parser would silently cut or fill the rows; the pipes themselves have to be counted.
    lines = reports.rendered("markdown", variant).replace("\\|", "").splitlines()
    for i, line in enumerate(lines):
        if line.startswith("| ---"):
            rows = [lines[i - 1], *iter_table(lines[i:])]
            assert {row.count("|") for row in rows} == {line.count("|")}


def iter_table(lines: list[str]) -> list[str]:
    end = next((i for i, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return lines[:end]


def test_the_sections_come_in_order_of_importance() -> None:
    assert [text for text in headings("complete") if ":" not in text] == [
        "How long should Django keep a database connection open?",
        "Verdicts",
        "Server modes × strategies",
        "Comparisons",
        "Figures",
        "Connection accounts",
        "Failed requests",
        "Caveats",
        "Environment",
        "How to read this",
    ]


def test_trials_are_listed_only_where_one_was_left_out() -> None:
    assert "Trials left out" not in headings("complete")
    assert "Trials left out" in headings("all failed")


def test_settings_stand_in_code_blocks() -> None:
    fences = [token.content for token in tokens() if token.type == "fence"]
    assert [code.rstrip() for code in fences] == [reports.settings(age).rstrip() for age in (0, 60, 0)]


def test_hostile_names_are_inert() -> None:
    found = tokens("hostile")
    html = {token.content for token in found if token.type in {"html_inline", "html_block"}}
    assert html <= {"<br>"}
    assert not [token for token in found if token.type in {"link_open", "image", "em_open", "code_inline", "s_open"}]


def test_hostile_names_stay_readable() -> None:
    flat = printable(" ".join(reports.HOSTILE.split()))
    texts = ["".join(child.content for child in token.children) for token in tokens("hostile") if token.children]
    assert any(flat in text for text in texts)


def test_a_fence_inside_settings_does_not_end_the_code_block() -> None:
    fences = [token.content for token in tokens("hostile") if token.type == "fence"]
    assert len(fences) == 3
    assert all(code.startswith(reports.HOSTILE.splitlines()[0]) for code in fences)
