"""Every link in the documentation leads somewhere, and every page can be reached from docs/index.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"
INDEX: Final = DOCS / "index.md"
PAGES: Final = sorted({*ROOT.glob("[A-Z]*.md"), *DOCS.rglob("*.md")})
LINK: Final = re.compile(r'\]\(([^)\s]+)\)|\bsrc="([^"]+)"')


def links(page: Path) -> list[str]:
    """The targets of a page's links and images, but for those of other sites; none from a block of code."""
    prose = re.sub(r"^( *)```.*?^\1```$|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = [one or other for one, other in LINK.findall(prose)]
    return [link for link in found if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def target(page: Path, link: str) -> tuple[Path, str]:
    path, _, anchor = link.partition("#")
    return ((page.parent / path).resolve() if path else page), anchor


def leads_nowhere(page: Path, link: str) -> bool:
    path, anchor = target(page, link)
    return not path.exists() or bool(anchor and path.suffix == ".md" and anchor not in anchors(path))


def test_every_link_leads_somewhere() -> None:
    every = [(page.relative_to(ROOT).as_posix(), link) for page in PAGES for link in links(page)]
    assert len(every) > 100
    assert [(page, link) for page, link in every if leads_nowhere(ROOT / page, link)] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = {INDEX}, [INDEX]
    while waiting:
        page = waiting.pop()
        found = {target(page, link)[0] for link in links(page)}
        new = {path for path in found if path.suffix == ".md" and path.is_relative_to(DOCS) and path.exists()} - reached
        reached |= new
        waiting += sorted(new)
    assert sorted(path.relative_to(DOCS).as_posix() for path in set(DOCS.rglob("*.md")) - reached) == []


def test_every_picture_of_the_documentation_is_shown() -> None:
    shown = {target(page, link)[0] for page in PAGES for link in links(page)}
    assert [path.name for path in sorted((DOCS / "images").iterdir()) if path not in shown] == []


def test_no_page_has_a_gap_left_to_fill() -> None:
    assert [page.name for page in PAGES if re.search(r"@@\w+", page.read_text())] == []
