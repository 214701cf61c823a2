"""The one speller: a value has one spelling, whichever format shows it."""

from __future__ import annotations

import doctest
import re
from html.parser import HTMLParser
from math import inf, nan
from typing import TYPE_CHECKING, Final

import pytest
from factories.trials import default_plan

from loadlab.report import numbers
from loadlab.report.content import story
from loadlab.report.formats.html import HtmlPage
from loadlab.report.formats.markdown import Markdown
from loadlab.report.formats.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.model.findings import Findings

RATIO: Final = re.compile(r"(?<![\w.,])((?:\d[\d,]*(?:\.\d+)?|∞)×)(?:\s+\(([^)–\s]+–[^)\s;]+)[);])?")


def test_examples_in_docstrings_hold() -> None:
    result = doctest.testmod(numbers)
    assert (result.attempted > 0, result.failed) == (True, 0)


@pytest.mark.parametrize("spell", [numbers.figure, numbers.exact, numbers.milliseconds, numbers.percentage])
def test_what_is_not_a_finite_number_is_spelt_as_a_dash(spell: Callable[[float | None], str]) -> None:
    assert [spell(value) for value in (None, nan, inf, -inf)] == ["–"] * 4


def test_digits_follow_from_size_alone() -> None:
    spelt = {
        0.0004: "<0.001",
        0.00123: "0.0012",
        0.0512: "0.051",
        0.0999: "0.10",
        1.004: "1.00",
        3.996: "4.0",
        4.56: "4.6",
        4.25: "4.3",
        99.96: "100",
        143.5: "144",
        12345.6: "12,346",
        -1.5: "-1.50",
    }
    assert {value: numbers.figure(value) for value in spelt} == spelt


def test_units_are_spelt_in_one_way() -> None:
    assert numbers.milliseconds(0.00421) == "4.2 ms"
    assert numbers.percentage(0.05) == "5 %"
    assert numbers.percentage(0.9988) == "99.9 %"
    assert numbers.ratio(inf) == "∞×"
    assert numbers.with_interval(numbers.ratio(4.56), 4.31, 5.02) == "4.6× (4.3–5.0)"
    assert numbers.probability(0.0002) == "<0.001"
    assert [numbers.age_heading(age) for age in (0, 60, 0.5, None)] == [
        "age 0",
        "age 60 s",
        "age 0.5 s",
        "age unlimited",
    ]


class _Text(HTMLParser):
    """All text of a page, what its scripts draw included."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _shown(findings: Findings) -> Iterator[str]:
    """As each format shows it, in one line."""
    yield " ".join(" ".join(_Text(HtmlPage().render(findings)).parts).split())
    yield " ".join(Markdown().render(findings).split())
    yield Terminal(width=400).render(findings)


def test_every_ratio_of_the_default_report_has_one_spelling() -> None:
    findings = default_plan()
    spelt: dict[str, set[str]] = {ratio: {""} for ratio, _ in RATIO.findall(" ".join(story.how_to_read(findings)))}
    for one in findings.comparisons:
        if one.mde_ratio is not None:
            spelt.setdefault(numbers.ratio(one.mde_ratio), {""})
        if one.ratio is not None:
            spelt.setdefault(numbers.ratio(one.ratio), {""}).add(numbers.interval(one.low, one.high))
    for text in _shown(findings):
        found = RATIO.findall(text)
        assert len(found) > len(findings.comparisons) / 3
        assert [pair for pair in found if pair[1] not in spelt.get(pair[0], ())] == []
