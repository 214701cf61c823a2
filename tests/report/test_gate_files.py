"""Gates as programs that run builds read them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest
from factories import reports

from loadlab.model.gates import MEASURES, GateOutcome, GateResult, Gates
from loadlab.plan.gates import read_gates
from loadlab.report import REPORTS
from loadlab.report.content.gates import GateLine, of_run, table
from loadlab.report.gate_files import code_quality, github, junit, summary
from loadlab.report.prose.gates import measured, quantities

STARTED: Final = "2026-11-22 21:00 UTC"
# What the schemas of Ant (windyroad/JUnit-Schema) and of Jenkins (xunit-plugin, junit-10.xsd) both allow:
# element → attributes that it must have, attributes that it may have, and its children in order.
SCHEMA: Final = {
    "testsuites": (set(), set(), ["testsuite"]),
    "testsuite": (
        {"id", "name", "package", "timestamp", "hostname", "tests", "failures", "errors", "time"},
        {"skipped"},
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), set(), ["property"]),
    "property": ({"name", "value"}, set(), []),
    "testcase": ({"name", "classname", "time"}, set(), ["skipped", "error", "failure"]),
    "failure": ({"type"}, {"message"}, []),
    "skipped": (set(), {"message"}, []),
    "system-out": (set(), set(), []),
    "system-err": (set(), set(), []),
}


def lines(*, undecided_fails: bool = False) -> list[GateLine]:
    found = reports.gated()
    return of_run(replace(found, gates=replace(found.gates, undecided_fails=undecided_fails)))


def hostile() -> list[GateLine]:
    return [replace(one, subject=f"{reports.HOSTILE}\x00\ud800\n") for one in lines()]


def parsed(shown: list[GateLine]) -> ET.Element:
    return ET.fromstring(junit(shown, started=STARTED, file="runs/a"))  # noqa: S314  our own text


@pytest.mark.parametrize("shown", [lines(), lines(undecided_fails=True), hostile(), []])
def test_junit_is_as_the_schemas_of_ant_and_jenkins_want_it(shown: list[GateLine]) -> None:
    for element in parsed(shown).iter():
        must, may, children = SCHEMA[element.tag]
        assert must <= set(element.attrib) <= must | may
        order = [children.index(child.tag) for child in element]
        assert order == sorted(order)
    suite = parsed(shown)[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])


def test_junit_has_a_test_case_for_each_gate_and_case() -> None:
    suite = parsed(lines())[0]
    cases = [
        (one.attrib["name"], one.attrib["classname"], [child.tag for child in one]) for one in suite.iter("testcase")
    ]
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == ("7", "2", "4")
    assert cases[0] == ("leaks == 0", "gevent/max_age=60", ["failure"])
    assert cases[-1] == ("leaks == 0", "sync/max_age=60", [])


def test_what_fails_comes_first_and_what_passes_last() -> None:
    outcomes = [one.result.outcome for one in lines()]
    assert outcomes == ["fail"] * 2 + ["undecided"] * 4 + ["pass"]
    assert [row[0] for row in table(lines()).rows] == ["✗ fail"] * 2 + ["? undecided"] * 4 + ["✓ pass"]


@pytest.mark.parametrize("name", ["html", "markdown", "terminal"])
def test_a_report_begins_with_what_its_gates_mean_for_the_build(name: str) -> None:
    text = REPORTS[name]().render(reports.gated())
    assert text.index("Gates fail: 2 fail, 4 are undecided, 1 passes.") < text.index("CONN_MAX_AGE = ")


def test_undecided_is_a_failure_where_it_fails_the_build() -> None:
    suite = parsed(lines(undecided_fails=True))[0]
    assert (suite.attrib["failures"], suite.attrib["skipped"]) == ("6", "0")
    assert {one.attrib["type"] for one in suite.iter("failure")} == {"limit", "undecided"}


def test_a_time_that_is_none_still_gives_valid_junit() -> None:
    text = junit([], started="yesterday", file="runs/a")
    assert 'timestamp="1970-01-01T00:00:00"' in text


def test_the_summary_names_first_what_does_not_pass() -> None:
    text = summary(lines(), "loadlab gates of runs/a")
    assert text.startswith("### ❌ loadlab gates of runs/a: 2 fail, 4 are undecided, 1 passes\n")
    above, _, below = text.partition("<details>")
    assert above.count("\n- ") == 6
    assert below.count("\n| ") == 2 + 7


def test_the_summary_shows_an_undecided_gate_that_fails_the_build() -> None:
    undecided = [one for one in lines(undecided_fails=True) if one.result.outcome is GateOutcome.UNDECIDED]
    assert undecided
    text = summary(undecided, "loadlab gates")
    assert text.startswith("### ❌ ")
    assert "❔" not in text


def test_no_name_can_break_out_of_the_summary() -> None:
    text = summary(hostile(), reports.HOSTILE)
    assert "<img" not in text
    assert "\x1b" not in text
    text.encode()


def test_the_summary_of_no_gates_says_so() -> None:
    assert "No gate was asked of any case." in summary([], "loadlab gates")


def test_annotations_are_one_line_each_and_escaped() -> None:
    said = github([*lines(), replace(lines()[0], subject="a:b,c%\nd")]).splitlines()
    assert [line.partition(" ")[0] for line in said] == [*["::error"] * 2, *["::warning"] * 4, "::error"]
    assert "on a%3Ab%2Cc%25%0Ad::" in said[-1]
    assert github([lines()[-1]]) == ""


def test_code_quality_has_an_issue_for_each_gate_that_does_not_pass() -> None:
    issues = json.loads(code_quality(lines(), "runs/a"))
    assert [one["severity"] for one in issues] == ["major"] * 2 + ["minor"] * 4
    assert len({one["fingerprint"] for one in issues}) == len(issues)
    assert all(one["location"] == {"path": "runs/a", "lines": {"begin": 1}} for one in issues)


def test_the_outcome_of_a_build_is_its_worst_gate() -> None:
    found = reports.gated().gates
    assert Gates().outcome == "pass"
    assert Gates(results=found.results[:1]).outcome == "pass"
    assert Gates(results=found.results[2:4]).outcome == "undecided"
    assert Gates(results=found.results[2:4], undecided_fails=True).outcome == "fail"
    assert found.outcome == "fail"


def test_the_manual_lists_every_quantity_as_it_is() -> None:
    listed = [
        f"| `{name}` | a{'n' if kind == 'estimate' else ''} {kind} | {unit} | {how} |"
        for name, kind, unit, how in quantities()
    ]
    page = (Path(__file__).parents[2] / "docs" / "reference" / "gates.md").read_text(encoding="utf-8")
    assert len(listed) == len(MEASURES)
    assert [line for line in listed if line not in page.splitlines()] == []


@pytest.mark.parametrize(
    ("text", "value", "alias", "told"),
    [
        ("leaks == 0", 1.0, "", "1 trial"),
        ("leaks == 0", 2.0, "default", "2 aliases"),
        ("open <= 20", 21.0, "default", "21 connections"),
        ("failed == 0", 12345.0, "", "12,345 requests"),
        ("open <= 1 × baseline", 2.0, "", "2.00× the baseline"),
        ("failed_after(database_restart) <= 1 per connection", 1.5, "", "1.5 per connection"),
        ("opens_per_request < 0.05", 0.2, "", "0.2"),
    ],
)
def test_a_count_is_told_with_what_it_counts(text: str, value: float, alias: str, told: str) -> None:
    (gate,) = read_gates([text])
    result = GateResult(gate=gate, outcome=GateOutcome.FAIL, value=value, alias=alias)
    assert measured(result) == told
