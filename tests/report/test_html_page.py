"""report.html as text: self-contained, safe, complete without JavaScript."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from base64 import b64encode
from dataclasses import replace
from functools import cache
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from every import every
from factories import reports

from loadlab.model.text import printable
from loadlab.report.content import story, tables
from loadlab.report.formats.html import HtmlPage
from loadlab.report.labels import Labels
from loadlab.report.prose import verdicts
from loadlab.report.templating import dense_rows

if TYPE_CHECKING:
    from collections.abc import Collection

VOID = {"meta", "link", "img", "br", "input", "hr"}
# What HTML ends by itself: by the beginning of another, and with what it is in.
CELLS = ("td", "th")
ENDED_BY = {"td": CELLS, "th": CELLS, "tr": (*CELLS, "tr")}
ENDED_WITH = {"tr": CELLS, "tbody": (*CELLS, "tr")}


class Page(HTMLParser):
    """Elements, attributes and text of a page, and the content of its scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._end(ENDED_BY.get(tag, ()))
        self.elements.append((tag, dict(attrs)))
        if tag in self.raw:
            self.raw[tag].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._end(ENDED_WITH.get(tag, ()))
        assert self.open.pop() == tag

    def _end(self, tags: Collection[str]) -> None:
        while self.open[-1:] and self.open[-1] in tags:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]][-1] += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@cache
def page(variant: str = "complete") -> Page:
    return Page(reports.rendered("html", variant))


def sha256(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy(of: Page) -> dict[str, list[str]]:
    meta = next(m for m in of.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    directives = (part.split() for part in (meta["content"] or "").split(";"))
    return {name: values for name, *values in directives}


@every("variant", reports.VARIANTS)
@pytest.mark.thorough
def test_the_markup_is_well_formed(variant: str) -> None:
    assert page(variant).open == []


def test_the_policy_allows_the_pages_own_scripts_by_hash_and_no_network() -> None:
    rules = policy(page())
    data, *scripts = page().raw["script"]
    assert json.loads(data)["modes"]
    assert rules["default-src"] == ["'none'"]
    assert rules["script-src"] == [sha256(script) for script in scripts]
    assert rules["style-src"] == [sha256(style) for style in page().raw["style"]]
    assert not {"connect-src", "font-src", "frame-src"} & set(rules)


@every("variant", reports.VARIANTS)
def test_nothing_is_loaded_from_anywhere(variant: str) -> None:
    links = [
        attributes.get(name)
        for _, attributes in page(variant).elements
        for name in ("src", "href", "srcset", "action", "poster", "data")
        if name in attributes
    ]
    beside = {"report.json", "report.md"}
    assert all(link and (link.startswith(("#", "data:image/svg+xml,")) or link in beside) for link in links)
    assert "@import" not in page(variant).raw["style"][0]
    assert "url(" not in page(variant).raw["style"][0]


@every("variant", reports.VARIANTS)
def test_no_element_has_an_inline_handler_or_style(variant: str) -> None:
    names = {name for _, attributes in page(variant).elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]


def test_hostile_names_are_text_and_nothing_else() -> None:
    hostile = page("hostile")
    assert hostile.all("img") == []
    assert len(hostile.raw["script"]) == len(page().raw["script"]) == 5
    assert printable(reports.HOSTILE) in hostile.text
    assert "\x1b" not in hostile.text


def test_hostile_names_in_chart_data_cannot_end_the_script_block() -> None:
    data = page("hostile").raw["script"][0]
    assert not set("<>&\u2028\u2029") & set(data)
    assert json.loads(data)["modes"][0]["server"] == reports.HOSTILE + "threaded"


def test_a_page_of_300_trials_stays_below_three_million_bytes() -> None:
    findings = reports.findings(blocks=30)
    assert len(findings.trials) == 300
    html = HtmlPage().render(findings)
    assert len(html.encode()) < 3_000_000
    assert Page(html).text.count("measured again") > 30


def test_a_trial_takes_few_bytes_of_the_page() -> None:
    few, many = (len(HtmlPage().render(reports.findings(blocks=blocks)).encode()) for blocks in (30, 60))
    assert 0 < many - few < 300 * 200


def test_the_table_of_trials_says_what_the_others_would() -> None:
    findings = reports.findings()
    rows = dense_rows(tables.trials(findings).rows)
    cells = [tuple(map(unescape, row.split("<td>"))) for row in str(rows).replace("<tr><th scope=row>", "").split("\n")]
    assert cells == [tuple(map(printable, row)) for row in tables.trials(findings).rows]


def test_long_windows_do_not_swell_the_page() -> None:
    findings = reports.findings(blocks=30)
    at = tuple(i / 20 for i in range(20 * 600))
    arms = tuple(_with_series(arm, at) for arm in findings.arms)
    assert len(HtmlPage().render(replace(findings, arms=arms)).encode()) < 3_000_000


def _with_series(arm, at):  # noqa: ANN001, ANN202
    column = tuple(i % 97 + 0.123456789 for i in range(len(at)))
    series = replace(arm.open_over_time, at=at, median=column, low=column, high=column)
    return replace(arm, open_over_time=series)


def test_without_javascript_the_verdicts_figures_and_tables_are_there() -> None:
    text = " ".join(page().text.split())
    full = reports.findings()
    why = verdicts.why(full.verdicts[2], Labels.of(full))
    for words in (*story.answer(full), *why, "CONN_MAX_AGE = 60", "2.47× (2.42–2.52)"):
        assert words in text
    assert all("hidden" in button for button in page().all("button") if button.get("class") == "copy")
    assert "Charts need JavaScript" in text


def test_the_answer_comes_before_everything_else() -> None:
    text = page().text
    order = ["No single default fits", "Close connections after", "Server modes × strategies", "Charts", "Comparisons"]
    places = [text.index(words, text.index("Skip to")) for words in order]
    assert places[0] == min(places)


@every("variant", reports.VARIANTS)
def test_headings_never_skip_a_level(variant: str) -> None:
    levels = [int(tag[1]) for tag, _ in page(variant).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@every("variant", reports.VARIANTS)
def test_every_table_has_a_caption_and_every_head_a_scope(variant: str) -> None:
    assert len(page(variant).all("caption")) == len(page(variant).all("table"))
    assert all(head.get("scope") in {"row", "col"} for head in page(variant).all("th"))


@every("variant", reports.VARIANTS)
def test_every_id_is_unique_and_every_reference_leads_somewhere(variant: str) -> None:
    elements = page(variant).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    names = ("aria-labelledby", "aria-controls", "data-copy")
    targets = {attributes[name] for _, attributes in elements for name in names if name in attributes}
    links = [a["href"] or "" for a in page(variant).all("a")]
    anchors = {link.removeprefix("#") for link in links if link.startswith("#")}
    assert targets | anchors <= set(ids)


def test_every_chart_is_an_image_with_a_description() -> None:
    charts = [attributes for _, attributes in page().elements if "data-chart" in attributes]
    assert len(charts) == 4 + len(reports.THREE_MODES)  # open connections have one for each mode
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)


def test_a_verdict_is_told_by_word_and_sign_and_not_by_colour_alone() -> None:
    words = " ".join(page().text.split())
    for badge in ("▲ better", "▼ worse", "≈ equivalent", "LEAK"):
        assert badge in words


def test_an_empty_run_has_no_charts_and_says_that_nothing_was_measured() -> None:
    assert "Nothing was measured." in page("empty").text
    assert not [attributes for _, attributes in page("empty").elements if "data-chart" in attributes]
