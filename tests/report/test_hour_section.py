"""What each age would do over an hour of a run's traffic, as reports say it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING

from every import every
from factories import reports
from jsonschema import Draft202012Validator

from loadlab.model.over_an_hour import AgeOverAnHour, OverAnHour
from loadlab.report import REPORTS
from loadlab.report.content import story

if TYPE_CHECKING:
    from loadlab.model.findings import Findings

FORMATS = ("html", "markdown", "terminal", "json")
KEPT = AgeOverAnHour(max_age=600.0, open=8.0, opened=47.0, opens_per_second=47 / 3600, reuse=0.9997)
HOUR = OverAnHour(
    condition=reports.case("sync", 0).group,
    rate=40.0,
    closed_loop=True,
    ages=(replace(KEPT, max_age=0.0, open=0.4, opened=144_000.0, opens_per_second=40.0, reuse=0.0), KEPT),
)


def found(*hours: OverAnHour) -> Findings:
    return replace(reports.findings(), over_an_hour=hours)


@every("name", FORMATS)
def test_every_format_says_what_an_hour_would_do(name: str) -> None:
    text = REPORTS[name]().render(found(HOUR))
    if name == "json":
        assert json.loads(text)["over_an_hour"][0]["ages"][1]["opened"] == 47
    else:
        assert story.HOUR in text
        assert "144,000" in text


@every("name", FORMATS)
def test_runs_without_recorded_uses_have_no_hour(name: str) -> None:
    assert story.HOUR not in REPORTS[name]().render(found())


def test_a_closed_loops_rate_is_called_a_throughput() -> None:
    assert story.CLOSED_LOOP in story.over_an_hour(found(HOUR))
    assert story.CLOSED_LOOP not in story.over_an_hour(found(replace(HOUR, closed_loop=False)))


def test_the_hour_in_report_json_matches_its_schema() -> None:
    schema = json.loads((resources.files("loadlab.report") / "assets" / "report.schema.json").read_text())
    unknown = replace(HOUR, ages=(replace(KEPT, open=None),))
    Draft202012Validator(schema).validate(json.loads(REPORTS["json"]().render(found(HOUR, unknown))))
