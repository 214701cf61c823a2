"""report.json keeps the contract that tools outside rely on."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from typing import Any

import pytest
from every import every
from factories import reports
from jsonschema import Draft202012Validator

from loadlab.report.formats.json import JsonFile


def schema() -> dict[str, Any]:
    file = resources.files("loadlab.report") / "assets" / "report.schema.json"
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def document(variant: str = "complete") -> dict[str, Any]:
    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    text = reports.rendered("json", variant)
    loaded: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return loaded


@every("variant", reports.VARIANTS)
def test_a_report_in_parts_is_the_report(variant: str) -> None:
    findings = reports.VARIANTS[variant]()
    assert "".join(JsonFile().parts(findings)) == JsonFile().render(findings)
    orders = [trial["order"] for trial in document(variant)["trials"]]
    assert orders == [trial.order for trial in findings.trials]


def test_a_name_that_is_no_text_is_written_with_a_question_mark() -> None:
    findings = reports.VARIANTS["complete"]()
    strange = replace(findings, environment={"machine": {"name": "a\udcffb"}})
    assert json.loads(JsonFile().render(strange))["environment"] == {"machine": {"name": "a?b"}}


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(schema())


@every("variant", reports.VARIANTS)
def test_every_kind_of_run_fits_the_schema(variant: str) -> None:
    errors = [error.message for error in Draft202012Validator(schema()).iter_errors(document(variant))]
    assert errors == []


@every(
    ("path", "value"),
    [
        (("schema",), 1),
        (("run", "state"), "done"),
        (("trials", 0, "max_age"), "none"),
        (("trials", 0, "connections", "opened"), -1),
        (("comparisons", 0, "verdict"), "maybe"),
        (("verdicts", 0, "recommend"), "yes"),
    ],
)
def test_the_schema_refuses_what_breaks_the_contract(path: tuple[str | int, ...], value: object) -> None:
    broken: Any = document()
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not Draft202012Validator(schema()).is_valid(broken)


def test_every_key_that_is_written_is_described() -> None:
    """Nothing may slip into the file without its place in the schema."""
    whole, described = document(), schema()
    assert set(whole) == set(described["properties"])
    definitions = described["$defs"]
    case = set(definitions["case"]["properties"])
    assert set(whole["run"]) == set(described["properties"]["run"]["properties"])
    assert set(whole["trials"][0]) == case | set(definitions["trial"]["properties"])
    assert set(whole["arms"][0]) == case | set(definitions["arm"]["properties"])
    assert set(whole["comparisons"][0]) == set(definitions["comparison"]["properties"])
    assert set(whole["verdicts"][0]) == set(definitions["verdict"]["properties"])
    assert set(whole["trials"][0]["connections"]) == set(definitions["connections"]["properties"])


def test_a_trial_carries_its_case_and_its_counts_at_rest() -> None:
    trial = next(t for t in document()["trials"] if t["server"] == "gevent" and t["max_age"] == 60)
    connections = trial["connections"]
    assert trial["strategy"] == "max_age"
    assert trial["parameters"]["server"] == {"workers": 2}
    assert trial["keep_alive"] is False
    assert connections["opened"] == sum(connections["closed"].values()) + connections["open"] == connections["sessions"]
    assert connections["open"] == connections["left_open"] == 96
    assert connections["peak"] == 96
    assert connections["exact"] is True
    assert connections["after_stop"]["closed"]["process_exit"] == 96


def test_unlimited_is_null_and_so_is_a_recommendation_that_is_missing() -> None:
    ages = {trial["max_age"] for trial in document()["trials"]}
    assert ages == {0, 60, None}
    assert [verdict["recommend"] for verdict in document("inconclusive")["verdicts"]] == [None] * 3


def test_what_is_not_a_number_becomes_null() -> None:
    assert document("all failed")["trials"][0]["throughput"] is None
    assert document("hostile")["arms"][0]["connect_seconds"] is None


def test_names_come_back_as_they_went_in() -> None:
    assert document("hostile")["answer"][0].startswith(reports.HOSTILE)
