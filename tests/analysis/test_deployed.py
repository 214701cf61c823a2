"""What a run says of a target that others serve: its figures, who else used it, whether it leaks, and no verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadlab.analysis import contrast
from loadlab.analysis.rooms import leak_of
from loadlab.model.case import ELSEWHERE, Case
from loadlab.model.config import Config
from loadlab.model.samples import CpuSeconds, Ledger, Trial

from . import factories


def deployed(name: str, usable: int | None = None) -> Case:
    return replace(
        factories.case(), server=Config(name=ELSEWHERE), strategy=Config(name=name), usable_connections=usable
    )


def measured(case: Case, *, served: int | None = None, rest: Ledger | None = None, judged: bool = True) -> Trial:
    trial = factories.trial(case)
    books = trial.connections
    at_rest = rest or replace(books.at_rest, open=5)  # three of them were open before
    connections = replace(
        books,
        at_rest=at_rest,
        after_stop=at_rest,
        open_before=3,
        stopped=False,
        left_open=at_rest.open if judged else None,
        sessions=at_rest.opened if judged else None,
    )
    cpu = CpuSeconds(app=None, database=None, generator=0.5)
    return replace(trial, connections=connections, cpu_seconds=cpu, served=served)


def test_the_books_of_a_target_that_goes_on_agree_with_what_was_open_before() -> None:
    books = measured(deployed("age 60")).connections
    assert books.exact
    lost = replace(books, at_rest=replace(books.at_rest, open=6))
    assert lost.mismatches == (
        "at rest open 6 but pg_stat_activity shows 5 rows",
        "open before + opened 5 is not closed + open = 6",
    )


def test_books_that_nobody_judges_agree_with_nothing_and_are_not_exact() -> None:
    books = measured(deployed("age 60"), judged=False).connections
    assert not books.mismatches
    assert not books.exact
    assert not books.judged


def test_it_says_what_was_seen_and_recommends_nothing() -> None:
    case = deployed("age 60")
    findings = factories.findings([case], [measured(case)])
    assert findings.verdicts == ()
    assert findings.comparisons == ()
    figures, advice = findings.answer
    assert figures.startswith("age 60, 8 users, client keep-alive off: 200 requests/s, median response 10")
    assert figures.endswith("at most 5 connections open, and none seem to leak.")
    assert "loadlab compare" in advice


@pytest.mark.parametrize(("served", "told"), [(None, False), (420, False), (428, False), (429, True), (840, True)])
def test_what_the_target_has_answered_beyond_what_was_sent_is_a_caveat(served: int | None, *, told: bool) -> None:
    case = deployed("age 60")
    trial = measured(case, served=served)
    assert len(trial.requests.ended) == 420
    caveats = [caveat.text for caveat in factories.findings([case], [trial]).caveats]
    assert any(text.startswith("Others used the target too") for text in caveats) == told


def test_two_deployments_are_one_case_in_two_runs() -> None:
    runs = [factories.findings([case], [measured(case)]) for case in (deployed("age 0"), deployed("age 60"))]
    beside = contrast(*runs)
    assert not beside.only_before
    assert not beside.only_after
    assert {one.metric: one.ratio for one in beside.contrasts}["throughput"] == 1
    ((before, after),) = beside.arms
    assert (str(before.case.strategy), str(after.case.strategy)) == ("age 0", "age 60")


def test_a_leak_is_told_from_what_can_be_used_or_else_from_how_connections_ended() -> None:
    piling = Ledger(opened=100, reused=0, closed={}, open=103)
    collected = Ledger(opened=100, reused=300, closed={"garbage_collected": 98}, open=5)
    busy = Ledger(opened=100, reused=900, closed={"max_age": 97}, open=6)
    told = [leak_of(measured(deployed("x"), rest=rest)) == "yes" for rest in (piling, collected, busy)]
    assert told == [True, True, False]
    assert leak_of(measured(deployed("x", usable=50), rest=piling)) == "yes"
    assert leak_of(measured(deployed("x", usable=103), rest=piling)) != "yes"
