"""What a run says of a target that others serve: its figures, who else used it, whether it leaks, and no verdict."""

from __future__ import annotations

from dataclasses import replace

from every import every
from factories import trials

from loadlab.analysis import contrast
from loadlab.analysis.rooms import leak_of
from loadlab.model.case import EXTERNAL, Case
from loadlab.model.config import Config
from loadlab.model.counts import ConnectionCounts, Identity, Mismatch
from loadlab.model.samples import CpuSeconds, Trial
from loadlab.report.prose.answer import BY_GROWTH

from . import said


def deployed(name: str, usable: int | None = None) -> Case:
    return replace(trials.case(), server=Config(name=EXTERNAL), strategy=Config(name=name), usable_connections=usable)


def measured(
    case: Case, *, served: int | None = None, rest: ConnectionCounts | None = None, judged: bool = True
) -> Trial:
    trial = trials.trial(case)
    connections = trial.connections
    at_rest = rest or replace(connections.at_rest, open=5)  # three of them were open before
    connections = replace(
        connections,
        at_rest=at_rest,
        after_stop=at_rest,
        open_before=3,
        stopped=False,
        left_open=at_rest.open if judged else None,
        sessions=at_rest.opened if judged else None,
    )
    cpu = CpuSeconds(app=None, database=None, generator=0.5)
    return replace(trial, connections=connections, cpu_seconds=cpu, served=served)


def test_an_external_targets_counts_include_what_was_open_before() -> None:
    counts = measured(deployed("age 60")).connections
    assert counts.exact
    lost = replace(counts, at_rest=replace(counts.at_rest, open=6))
    assert lost.mismatches == (
        Mismatch(kind=Identity.BACKENDS, ours=6, theirs=5),
        Mismatch(kind=Identity.BALANCE_SINCE, ours=5, theirs=6),
    )


def test_counts_without_a_judge_are_not_exact() -> None:
    counts = measured(deployed("age 60"), judged=False).connections
    assert not counts.mismatches
    assert not counts.exact
    assert not counts.judged


def test_it_says_what_was_seen_and_recommends_nothing() -> None:
    case = deployed("age 60")
    findings = trials.findings([case], [measured(case)])
    assert findings.verdicts == ()
    assert findings.comparisons == ()
    figures, advice = said.answer(findings)
    assert figures.startswith("age 60, 8 users, client keep-alive off: 200 requests/s, median response 10")
    assert figures.endswith(f"at most 5 connections open, and no leak seen ({BY_GROWTH}).")
    assert "loadlab compare" in advice


@every(("served", "told"), [(None, False), (420, False), (428, False), (429, True), (840, True)])
def test_what_the_target_has_answered_beyond_what_was_sent_is_a_caveat(served: int | None, *, told: bool) -> None:
    case = deployed("age 60")
    trial = measured(case, served=served)
    assert len(trial.requests.ended) == 420
    caveats = [caveat.text for caveat in trials.caveats_of(trials.findings([case], [trial]))]
    assert any(text.startswith("The target also served other clients") for text in caveats) == told


def test_two_deployments_are_one_case_in_two_runs() -> None:
    runs = [trials.findings([case], [measured(case)]) for case in (deployed("age 0"), deployed("age 60"))]
    beside = contrast(*runs)
    assert not beside.only_before
    assert not beside.only_after
    assert {one.metric: one.ratio for one in beside.contrasts}["throughput"] == 1
    ((before, after),) = beside.arms
    assert (str(before.case.strategy), str(after.case.strategy)) == ("age 0", "age 60")


def test_a_leak_is_judged_by_what_is_usable_or_by_how_connections_ended() -> None:
    piling = ConnectionCounts(opened=100, reused=0, closed={}, open=103)
    collected = ConnectionCounts(opened=100, reused=300, closed={"garbage_collected": 98}, open=5)
    busy = ConnectionCounts(opened=100, reused=900, closed={"max_age": 97}, open=6)
    told = [leak_of(measured(deployed("x"), rest=rest)) == "yes" for rest in (piling, collected, busy)]
    assert told == [True, True, False]
    assert leak_of(measured(deployed("x", usable=50), rest=piling)) == "yes"
    assert leak_of(measured(deployed("x", usable=103), rest=piling)) != "yes"
