"""Reports of an open load: service beside the response, rates in names, all of it in report.json."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

import jsonschema
import pytest
from factories import reports

from loadlab.model.condition import OpenLoad
from loadlab.model.findings import Service
from loadlab.model.percentiles import Percentiles
from loadlab.report import REPORTS
from loadlab.report.content import charts, tables
from loadlab.report.formats.html import HtmlPage
from loadlab.report.formats.json import JsonFile
from loadlab.report.formats.terminal import Terminal
from loadlab.report.labels import Labels

if TYPE_CHECKING:
    from loadlab.model.findings import Findings

LOAD = OpenLoad(rate=120.0, arrivals="poisson")


@pytest.fixture
def opened() -> Findings:
    """A run whose every case keeps to a schedule."""
    findings = reports.findings()
    arms = []
    for arm in findings.arms:
        service = Service(
            p50_seconds=arm.p50_seconds, p95_seconds=None, p99_seconds=None, send_lag_p99_seconds=arm.p50_seconds
        )
        arms.append(replace(arm, case=replace(arm.case, open_load=LOAD), service=service))
    trials = [
        replace(
            trial,
            case=replace(trial.case, open_load=LOAD),
            service_seconds=Percentiles(p50=0.001, p95=0.002, p99=None),
            send_lag_p99_seconds=0.0001,
            dropped=3,
        )
        for trial in findings.trials
    ]
    verdicts = [
        replace(
            verdict,
            condition=replace(verdict.condition, open_load=LOAD),
            cases=tuple(replace(case, open_load=LOAD) for case in verdict.cases),
        )
        for verdict in findings.verdicts
    ]
    return replace(findings, arms=tuple(arms), trials=tuple(trials), verdicts=tuple(verdicts))


def test_service_stands_beside_the_response_and_only_under_an_open_load(opened: Findings) -> None:
    shown = [column.title for column in tables.figures(opened).columns]
    assert shown[5:10] == ["p95 ms", "p99 ms", *tables.SENT[:3]]
    assert all(len(row) == len(shown) for row in tables.figures(opened).rows)
    assert not set(tables.SENT) & {column.title for column in tables.figures(reports.findings()).columns}


def test_the_terminal_shows_both_in_a_separate_table(opened: Findings) -> None:
    assert "Response and service" in Terminal().render(opened)
    assert "Response and service" not in Terminal().render(reports.findings())
    assert all(len(row) == len(tables.service(opened).columns) for row in tables.service(opened).rows)


def test_the_chart_of_response_times_has_both(opened: Findings) -> None:
    drawn = charts.build(opened)
    assert drawn.shows_service
    assert all(arm.service == (arm.percentiles[0], None, None) for arm in drawn.arms)
    assert "from when requests were sent" in HtmlPage().render(opened)
    assert not charts.build(reports.findings()).shows_service


def test_the_json_fits_the_schema_and_says_the_schedule(opened: Findings) -> None:
    document = json.loads(JsonFile().render(opened))
    schema = json.loads(files("loadlab.report").joinpath("assets/report.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert document["trials"][0]["open_load"] == {"rate": 120.0, "arrivals": "poisson"}
    assert document["trials"][0]["dropped"] == 3
    assert document["arms"][0]["service"]["send_lag_p99_seconds"] is not None
    assert document["verdicts"][0]["open_load"] == {"rate": 120.0, "arrivals": "poisson"}


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_every_format_takes_it(opened: Findings, name: str) -> None:
    assert REPORTS[name]().render(opened)


def test_cases_at_several_rates_are_named_by_them(opened: Findings) -> None:
    first, *others = opened.arms
    faster = replace(first, case=replace(first.case, open_load=OpenLoad(rate=500.0, arrivals="poisson")))
    names = Labels.of(replace(opened, arms=(first, faster, *others)))
    assert "120/s, poisson" in str(names.mode(first.case))
    assert "500/s, poisson" in str(names.mode(faster.case))
