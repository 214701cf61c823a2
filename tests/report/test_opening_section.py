"""Where the time of an open goes, as reports say it; or why it is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING

from every import every
from factories import reports
from jsonschema import Draft202012Validator

from loadlab.model.opens import Opens, OpenTimes
from loadlab.report import REPORTS
from loadlab.report.content import story, tables

if TYPE_CHECKING:
    from loadlab.model.findings import Findings
    from loadlab.model.opens import Unknown

TIMES = OpenTimes(
    strategy="",
    opens=14,
    total=0.0123,
    fork=0.001,
    authentication=0.0052,
    server=0.0031,
    outside=0.003,
    client_cpu=0.004,
)
BOTH = Opens(times=(TIMES, replace(TIMES, strategy="scram_key", total=0.0071, client_cpu=0.0011)))
FORMATS = ("html", "markdown", "terminal", "json")


def found(opens: Opens | None) -> Findings:
    return replace(reports.findings(), opens=opens)


def text(name: str, opens: Opens | None) -> str:
    return REPORTS[name]().render(found(opens))


def test_each_way_to_log_in_has_a_row_in_milliseconds() -> None:
    password, key = tables.opens(found(BOTH)).rows
    assert password == ("by password", "14", "12.3", "1.00", "5.2", "3.10", "3.00", "4.0")
    assert (key[0], key[2], key[7]) == ("by scram_key", "7.1", "1.10")


@every("name", FORMATS[:3])
def test_every_format_for_people_shows_the_parts_and_explains_them(name: str) -> None:
    shown = " ".join(text(name, BOTH).split())
    assert story.OPENS in shown
    assert "by password" in shown
    assert "by scram" in shown


@every("unknown", ["given", "older", "too_few"])
def test_what_is_not_known_is_said_with_its_reason(unknown: Unknown) -> None:
    opens = Opens(unknown=unknown)
    assert tables.opens(found(opens)).rows == ()
    for name in ("html", "markdown"):
        assert "Where the time of an open goes is not known" in text(name, opens)


@every("name", FORMATS[:3])
def test_a_run_that_nobody_has_asked_says_nothing(name: str) -> None:
    assert story.OPENS not in text(name, None)
    assert "time of an open" not in text(name, None)


@every("opens", [None, BOTH, Opens(unknown="older")])
def test_programs_get_it_in_seconds_as_the_schema_says(opens: Opens | None) -> None:
    document = json.loads(text("json", opens))
    file = resources.files("loadlab.report") / "assets" / "report.schema.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    assert list(Draft202012Validator(schema).iter_errors(document)) == []
    if opens is None:
        assert document["opens"] is None
    else:
        assert document["opens"]["unknown"] == opens.unknown
        assert [one["total"] for one in document["opens"]["times"]] == [one.total for one in opens.times]
