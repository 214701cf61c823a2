"""What the faults of a run did, as reports say it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib import resources
from math import inf
from typing import TYPE_CHECKING

from every import every
from factories.faulted import Did, case, fault, trial
from factories.trials import findings
from jsonschema import Draft202012Validator

from loadlab.model.aftermath import FaultLesson, Lesson, Range, WayAftermath
from loadlab.report import REPORTS
from loadlab.report.content import aftermaths
from loadlab.report.prose.aftermaths import LESSONS, NOT_IN_TRIAL, back, counted, sentence, timed, told

if TYPE_CHECKING:
    from loadlab.model.findings import Findings

FORMATS = ("html", "markdown", "terminal", "json")
IMMEDIATE = fault(mode="immediate")
LONG = fault("connections_exhausted", seconds=0.5, free=0)


@cache
def found() -> Findings:
    """Two faults in two server modes and three strategies: kept connections fail, one trial never comes back."""
    did = {0: Did(), 60: Did(failed=3, away=0.4, opened=2, lost={"unusable": 2}), None: Did(away=9.0)}
    cases = [case(server, age) for server in ("sync", "gthread") for age in did]
    cases += [replace(one, fault=under) for under in (IMMEDIATE, LONG) for one in cases]
    trials = [trial(one, did[one.max_age], block=block) for one in cases for block in (1, 2)]  # type: ignore[index]
    return findings(cases, trials, blocks=2)


@every("name", FORMATS)
def test_every_format_has_a_sentence_for_each_fault(name: str) -> None:
    text = REPORTS[name]().render(found())
    if name == "json":
        document = json.loads(text)
        assert [one["text"] for one in document["lessons"]] == [sentence(one) for one in found().aftermaths.lessons]
        assert len(document["aftermaths"]) == 12
    else:
        assert aftermaths.TITLE in text
        assert all(fault.words.split(" (")[0] in text.replace("\\", "") for fault in (IMMEDIATE, LONG))
        assert "connections_exhausted" in text.replace("\\", "")


@every("name", FORMATS)
def test_a_run_without_faults_has_no_such_section(name: str) -> None:
    text = REPORTS[name]().render(findings([case()], [trial(case())]))
    if name == "json":
        assert (json.loads(text)["aftermaths"], json.loads(text)["lessons"]) == ([], [])
    else:
        assert aftermaths.TITLE not in text


def test_the_aftermath_in_report_json_matches_its_schema() -> None:
    schema = json.loads((resources.files("loadlab.report") / "assets" / "report.schema.json").read_text())
    document = json.loads(REPORTS["json"]().render(found()))
    Draft202012Validator(schema).validate(document)
    assert [one["case"] for one in document["trials"] if one["fault"]] == [
        one["case"] for one in document["trials"] if "at=1s" in one["case"]
    ]
    never = next(one for one in document["aftermaths"] if one["not_back"] == 2)
    assert (never["back"]["median"], never["trials"][0]["back_seconds"]) == (None, None)


def test_the_table_has_a_row_for_each_fault_server_mode_and_strategy() -> None:
    section = aftermaths.build(found())
    assert section is not None
    assert [row[:3] for row in section.table.rows] == [
        (under.words, mode, age)
        for under in (IMMEDIATE, LONG)
        for mode in ("gunicorn sync", "gunicorn gthread")
        for age in ("age 0", "age 60 s", "age unlimited")
    ]
    assert all(len(row) == len(section.table.columns) for row in section.table.rows)
    assert all(len(row) == len(section.brief.columns) for row in section.brief.rows)
    assert {row[-1] for row in section.table.rows} == {"kept", "broken in 2 of 2", "–"}


def test_every_lesson_has_its_words() -> None:
    assert set(LESSONS) == set(Lesson)


def test_the_sentence_of_a_fault_says_who_fails_and_for_how_long() -> None:
    ways = (
        WayAftermath(way="closing", low=0, high=0, left=4, told=4, back_seconds=0.75),
        WayAftermath(way="keeping", low=0, high=0, left=2, told=4, back_seconds=0.25),
        WayAftermath(way="other", strategy="pool", low=2, high=5, left=3, told=4, back_seconds=inf),
    )
    lesson = FaultLesson(fault=LONG, lesson=Lesson.SOME_FAIL, ways=ways, trials=12, not_back=3, back_seconds=0.75)
    assert sentence(lesson) == (
        "connections_exhausted (free=0) at 1 s for 0.5 s: requests fail in some server modes or with some strategies."
        " Failed per trial: 0 with CONN_MAX_AGE = 0, 0 with kept connections, 2–5 with pool."
        " Back within the noise (medians): after 0.75 s with CONN_MAX_AGE = 0; not within the trial with pool."
    )


def test_a_fault_that_slows_one_strategy_alone_names_it() -> None:
    ways = (
        WayAftermath(way="closing", low=0, high=0, left=4, told=4, back_seconds=1.0),
        WayAftermath(way="keeping", low=0, high=0, left=1, told=4, back_seconds=0.0),
    )
    lesson = FaultLesson(fault=LONG, lesson=Lesson.SLOWER, ways=ways, trials=8, not_back=0, back_seconds=1.0)
    assert told(lesson) == (
        "no request fails, but throughput falls with CONN_MAX_AGE = 0. Back within the noise (medians): after 1 s"
        " with CONN_MAX_AGE = 0."
    )


def test_the_sentence_of_a_harmless_fault_is_short() -> None:
    calm = WayAftermath(way="keeping", low=0, high=0, told=8, back_seconds=0.0)
    lesson = FaultLesson(fault=LONG, lesson=Lesson.NOTHING, ways=(calm,), trials=8, not_back=0, back_seconds=0.0)
    assert told(lesson) == "no request fails. Throughput stays within the noise."
    by_chance = replace(lesson, ways=(replace(calm, left=1),))
    assert told(by_chance) == "no request fails. Throughput stays within the noise in 7 of 8 trials."


def test_where_the_noise_is_not_known_the_sentence_says_so() -> None:
    ways = (WayAftermath(way="keeping", low=0, high=0),)
    lesson = FaultLesson(fault=LONG, lesson=Lesson.NOTHING, ways=ways, trials=1, not_back=0, back_seconds=None)
    assert told(lesson).startswith("no request fails. Whether throughput fell cannot be told: ")


def test_a_fault_without_a_complete_trial_says_no_more() -> None:
    lesson = FaultLesson(fault=LONG, lesson=Lesson.UNMEASURED, ways=(), trials=0, not_back=0, back_seconds=None)
    assert told(lesson) == "no trial was complete."


def test_what_did_not_come_within_the_trial_is_said_so() -> None:
    assert timed(Range(median=inf, low=0.02, high=inf)) == f"{NOT_IN_TRIAL} (20.0 ms–{NOT_IN_TRIAL})"
    assert counted(Range(median=3, low=3, high=3)) == "3"
    assert {back(one) for one in found().aftermaths.cases} == {"never left", "0.5 s", NOT_IN_TRIAL}
