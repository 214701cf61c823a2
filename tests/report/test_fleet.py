"""A fleet's answer in four formats."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from every import every
from factories import fleet_answers, reports

from loadlab.model.fleet_outcome import FleetAnswer, FleetCaveat
from loadlab.report.fleet import charts, tables, words
from loadlab.report.fleet.document import as_json, document
from loadlab.report.fleet.html import as_html
from loadlab.report.fleet.markdown import as_markdown
from loadlab.report.fleet.terminal import as_text
from tests.report.test_html_page import Page

FORMATS = (as_text, as_markdown, as_json, as_html)
REFERENCE = Path(__file__).parents[2] / "docs/reference/fleet-json.md"


def small(max_connections: int) -> FleetAnswer:
    return fleet_answers.answer(60, None, max_connections=max_connections)


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("render", FORMATS)
def test_every_format_has_the_verdict(render) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    for answer in (fleet_answers.answer(), small(10), fleet_answers.answer(60)):
        text = render(answer)
        assert text.endswith("\n")
        assert words.verdict(answer) in flat(text)


def test_the_verdict_names_the_figures_that_decide() -> None:
    assert words.verdict(fleet_answers.answer()).startswith("CONN_MAX_AGE = None with health checks: it opens 0.0")
    assert "where age 60 s opens" in words.verdict(fleet_answers.answer())
    assert words.verdict(fleet_answers.answer()).endswith("At most 12 connections are open, and 17 are free.")


def test_a_fleet_that_does_not_fit_is_told_what_would() -> None:
    said = words.verdict(small(10))
    assert said.startswith("None fits: age 60 s needs least, 12 connections, and 7 are free. What would fit: ")
    assert "max_connections = 15" in said
    assert "a PgBouncer in transaction mode with 3 server connections" in said


def test_the_page_is_whole_and_fetches_nothing() -> None:
    page = Page(as_html(fleet_answers.answer()))
    assert page.open == []
    assert not [one for one in page.all("script") if "src" in one]
    assert [one["data-chart"] for one in page.all("div") if "data-chart" in one] == ["fleet-open", "fleet-opens"]
    assert "Opened in the busiest second" in page.text


def test_foreign_text_does_not_act() -> None:
    answer = fleet_answers.hostile(reports.HOSTILE)
    assert "<img src=x" not in as_markdown(answer) + as_html(answer)
    assert "\x1b[31m" not in "".join(render(answer) for render in FORMATS)


def test_charts_have_a_line_for_each_strategy_and_the_limit() -> None:
    made = charts.build(fleet_answers.answer())
    assert made.fleet.unit == "minutes"
    assert made.fleet.limit_words == "17 free"
    assert [one.strategy for one in made.fleet.open] == [0, 1, 2]
    assert all(len(one.line.at) <= 300 for one in (*made.fleet.open, *made.fleet.opens))
    assert [(mark.words, round(mark.at, 1)) for mark in made.fleet.marks] == [("database restart", 6.7)]


def test_a_row_without_any_figure_is_left_out() -> None:
    names = [row[0] for row in tables.figures(fleet_answers.answer()).rows]
    assert "Requests refused" not in names
    assert "Requests failed" in names
    assert "The same, after a database restart" in names


def test_json_has_the_keys_that_its_page_documents() -> None:
    made = json.loads(as_json(fleet_answers.answer()))
    documented = REFERENCE.read_text()
    for keys in (made, made["verdict"], made["strategies"][0]):
        for key in keys:
            assert f"`{key}`" in documented, key


def test_json_keeps_figures_that_are_not_known_as_null() -> None:
    answer = fleet_answers.answer()
    one = replace(answer.outcomes[0], idle_bytes=None, busy_threads=float("nan"))
    made = json.loads(as_json(replace(answer, outcomes=(one, *answer.outcomes[1:]), break_even=None)))
    assert made["break_even"] is None
    assert made["strategies"][0]["idle_bytes"] is None
    assert made["strategies"][0]["busy_threads"] is None


def test_the_verdict_says_so_where_many_requests_fail() -> None:
    answer = fleet_answers.answer(60)
    caveat = FleetCaveat(kind="failing", figures={"share": 0.5178})
    failing = replace(answer, outcomes=(replace(answer.outcomes[0], caveats=(caveat,)),))
    assert words.verdict(failing).endswith("But 51.8 % of the requests fail.")


def test_each_caveat_has_its_sentence() -> None:
    answer = fleet_answers.answer()
    figures = {"busy": 0.83, "share": 0.05, "server": "gthread", "repeats": 3.0}
    every_kind = tuple(FleetCaveat(kind=kind, figures=figures) for kind in words.CAVEATS)
    said = words.caveats(replace(answer, caveats=every_kind))
    assert len(said) >= len(words.CAVEATS)
    assert any("gunicorn gthread was not measured" in one for one in said)
    assert any("probability of 50 %" in one for one in said)
    assert any("83 %" in one for one in said)


@every("width", [60, 100, 160])
def test_the_terminals_text_stays_within_its_width(width: int) -> None:
    assert max(map(len, as_text(fleet_answers.answer(), width=width).splitlines())) <= width


def test_many_strategies_are_split_into_several_tables() -> None:
    answer = fleet_answers.answer()
    many = replace(answer, outcomes=(*answer.outcomes, *answer.outcomes[1:]))
    assert as_text(many).count("Fits the limits") == 2


def test_the_document_says_which_engine_simulated_and_why() -> None:
    one = document(fleet_answers.answer())["strategies"][0]  # type: ignore[index]
    assert one["engine"] == "by_request"
    assert one["engine_because"]
