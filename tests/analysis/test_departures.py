"""Which cases leave a run before its last block."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from every import every
from factories.trials import CLOSED, LEAKING, Behaviour, ages, at_rate, case, caveats_of, replica, run_summary, trial

from loadlab.analysis.departures import Departures
from loadlab.analysis.findings import analyse
from loadlab.analysis.judgement import called_early
from loadlab.model.departure import Why
from loadlab.model.plan import Plan
from loadlab.model.schedule import Schedule, Step
from loadlab.stats.sequential import Look
from loadlab.stats.signed_rank import Averages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.model.case import Case
    from loadlab.model.findings import Findings
    from loadlab.model.samples import Trial

BLOCKS = 12
SYNC = [*ages("sync"), replica(case("sync", 0))]
GEVENT = ages("gevent", usable=8)


def planned(cases: Sequence[Case], blocks: int, *, fixed: bool = False) -> Schedule:
    places = [(block, index) for block in range(blocks) for index in range(len(cases))]
    steps = [Step(order=order, block=block, case=index) for order, (block, index) in enumerate(places)]
    return Schedule(id="r", started="", version="", cases=list(cases), steps=steps, fixed=fixed)


def made(of: Schedule, behaviours: Mapping[Case, Behaviour], unsteady: Sequence[Case]) -> Iterator[Trial]:
    for step in of.steps:
        this = of.cases[step.case]
        like = behaviours[replace(this, replica=False)]
        spread = 0.3 if this in unsteady else 0.01
        wobble = np.exp(spread * np.random.default_rng([step.order]).standard_normal())
        yield replace(trial(this, step.block, at_rate(like.requests / like.seconds * wobble, like)), order=step.order)


def run(  # noqa: PLR0913  a run has that many sides
    cases: Sequence[Case],
    behaviours: Mapping[Case, Behaviour],
    *,
    unsteady: Sequence[Case] = (),
    fixed: bool = False,
    blocks: int = BLOCKS,
    min_blocks: int = 2,
) -> tuple[Schedule, list[Trial]]:
    """A whole run as the lab makes it: after each block, cases may leave."""
    left = planned(cases, blocks, fixed=fixed)
    trials: list[Trial] = []
    departures = Departures(Plan(blocks=blocks, min_blocks=min_blocks))
    every_trial = {one.order: one for one in made(left, behaviours, unsteady)}
    for block in range(blocks):
        trials += [every_trial[step.order] for step in left.steps if step.block == block]
        if block + 1 < blocks and (leaving := departures.after(block + 1, left, trials)):
            left = left.without(leaving, block + 1)
    return left, trials


def found(left: Schedule, trials: Sequence[Trial], blocks: int = BLOCKS) -> Findings:
    summary = run_summary(blocks=blocks, trials_planned=len(left.steps), trials_done=len(trials))
    return analyse(run=summary, environment={}, cases=left.cases, trials=trials, left=left.left)


ALIKE = dict.fromkeys(ages("sync"), at_rate(100, CLOSED))
FASTER = {**ALIKE, **{kept: at_rate(700, Behaviour()) for kept in ages("sync")[1:]}}
GEVENT_LEAKS = {GEVENT[0]: at_rate(100, CLOSED), **{kept: at_rate(95, LEAKING) for kept in GEVENT[1:]}}


def departures_of(left: Schedule) -> dict[str, tuple[Why, int]]:
    return {gone.id: (one.why, one.blocks) for gone, one in left.left.items()}


def test_what_leaks_leaves_after_two_blocks_and_its_baseline_after_four() -> None:
    left, trials = run([*SYNC, *GEVENT], {**FASTER, **GEVENT_LEAKS})
    gone = departures_of(left)
    assert {gone[kept.id] for kept in GEVENT[1:]} == {(Why.LEAKS, 2)}
    assert gone[GEVENT[0].id] == (Why.ALONE, 4)
    assert sum(one.case.server.name == "gevent" for one in trials) == 8
    assert sum(one.spared for one in left.departures if left.cases[one.case] in GEVENT) == 28


def test_what_left_by_counts_is_rejected_and_shares_no_error() -> None:
    """The two of sync are a family of two: twelve blocks judge them as if gevent had never been planned."""
    findings = found(*run([*SYNC, *GEVENT], {**FASTER, **GEVENT_LEAKS}))
    alone = found(*run(SYNC, FASTER))
    sync, gevent = findings.verdicts
    assert sync.recommend is not None
    assert gevent.recommend is not None
    assert gevent.recommend.max_age == 0
    kept = [one for one in findings.comparisons if one.case == SYNC[1] and one.metric == "throughput"]
    as_alone = [one for one in alone.comparisons if one.case == SYNC[1] and one.metric == "throughput"]
    assert [(one.p, one.p_holm, one.verdict) for one in kept] == [(one.p, one.p_holm, one.verdict) for one in as_alone]
    assert {(one.left, one.p_holm, one.verdict) for one in findings.comparisons if one.case in GEVENT[1:]} == {
        (Why.LEAKS, None, "inconclusive")
    }


def test_a_group_leaves_once_each_of_its_comparisons_is_decided() -> None:
    """Kept connections are seven times as fast, and as fast as each other."""
    left, trials = run(SYNC, FASTER)
    blocks = {one.blocks for one in left.departures}
    assert {one.why for one in left.departures} == {Why.DECIDED, Why.ALONE}
    assert blocks == {10}
    findings = found(left, trials)
    asked = [one for one in findings.comparisons if one.metric == "throughput" and one.question != "noise"]
    judged = {(one.case.max_age, one.question): one.verdict for one in asked}
    assert judged[60, "keep"] == judged[None, "keep"] == "better"
    assert {one.blocks for one in findings.comparisons} == {10}
    assert findings.verdicts[0].recommend is not None


def test_a_group_with_one_open_question_stays_to_the_last_block() -> None:
    left, trials = run(SYNC, FASTER, unsteady=SYNC[2:3])
    assert not left.departures
    assert len(trials) == len(SYNC) * BLOCKS


def test_a_case_stays_that_idle_connections_are_still_compared_with() -> None:
    """Kept connections are seven times as fast; what idle ones beside them do is not decided."""
    kept = SYNC[:2]
    beside = [replace(each, idle_percent=90) for each in kept]
    like = {**FASTER, **{case: FASTER[replace(case, idle_percent=0)] for case in beside}}
    undecided, _ = run([*kept, *beside], like, unsteady=beside, blocks=18)
    assert not undecided.left
    decided, _ = run([*kept, *beside], like, blocks=18)
    assert {gone: one.why for gone, one in decided.left.items()} == {kept[1]: Why.DECIDED, beside[1]: Why.DECIDED}


def test_a_replica_shows_the_noise_as_long_as_anything_is_compared() -> None:
    other = ages("threaded", usable=8)
    as_sync = {theirs: FASTER[ours] for ours, theirs in zip(SYNC, other, strict=False)}
    left, _ = run([*SYNC, *other], {**FASTER, **as_sync}, unsteady=other[1:], blocks=18)
    assert SYNC[1] in left.left
    assert SYNC[0] not in left.left
    assert SYNC[3] not in left.left


def test_what_is_decided_stays_so_however_noisy_the_replica_becomes() -> None:
    """Sync leaves as seven times as fast; after that, its replica differs from its twin by more than that."""
    other = ages("threaded", usable=8)
    as_sync = {theirs: FASTER[ours] for ours, theirs in zip(SYNC, other, strict=False)}
    left, trials = run([*SYNC, *other], {**FASTER, **as_sync}, unsteady=other[1:], blocks=40)
    gone = left.left[SYNC[1]]
    noisy = [
        replace(trial(SYNC[3], one.block, at_rate(1e6, CLOSED)), order=one.order)
        if one.case == SYNC[3] and one.block >= gone.blocks
        else one
        for one in trials
    ]
    assert gone.why is Why.DECIDED
    for of_run in (trials, noisy):
        keep, noise = (
            next(one for one in found(left, of_run, 40).comparisons if one.case == of and one.metric == "throughput")
            for of in (SYNC[1], SYNC[3])
        )
        assert keep.verdict == "better"
    assert (noise.ratio or 0) > (keep.ratio or 0)


@every("how", [{"fixed": True}, {"min_blocks": 12}])
def test_no_case_leaves_where_the_plan_or_the_user_says_so(how: dict[str, int]) -> None:
    left, trials = run([*SYNC, *GEVENT], {**FASTER, **GEVENT_LEAKS}, **how)  # type: ignore[arg-type]
    assert not left.departures
    assert len(trials) == 84


def test_refused_connections_make_a_case_leave_too() -> None:
    refusing = at_rate(95, replace(Behaviour(), refused=5))
    left, _ = run(SYNC, {**FASTER, SYNC[1]: refusing})
    assert departures_of(left)[SYNC[1].id] == (Why.REFUSED, 2)
    assert SYNC[0] not in left.left or left.left[SYNC[0]].blocks > 2


def test_a_report_names_who_left_and_what_was_spared() -> None:
    said = [one.line for one in caveats_of(found(*run([*SYNC, *GEVENT], {**FASTER, **GEVENT_LEAKS})))]
    assert any("saved 20 trials" in line and "Connections leak" in line and GEVENT[1].id in line for line in said)
    assert any("Nothing was left to compare" in line for line in said)


def test_a_run_whose_cases_left_is_complete_with_what_remains() -> None:
    left, trials = run([*SYNC, *GEVENT], {**FASTER, **GEVENT_LEAKS})
    assert len(left.steps) == len(trials)
    assert sum(one.spared for one in left.departures) + len(trials) == 84


def test_cases_that_nothing_is_compared_with_stay_to_the_last_block() -> None:
    """Baselines and a replica alone, as `--only` may leave them; and a strategy without its baseline, which leaks."""
    noise, leaking = [SYNC[0], SYNC[3], GEVENT[0]], [GEVENT[1]]
    for cases in (noise, leaking):
        left, trials = run(cases, {**FASTER, **GEVENT_LEAKS})
        assert not left.departures
        assert len(trials) == len(cases) * BLOCKS


def test_a_trial_that_was_made_once_more_counts_in_place_of_the_first() -> None:
    left = planned(SYNC, 12)
    trials = [one for one in made(left, FASTER, ()) if one.block < 10]
    failed = [replace(one, state="failed") if one.order == 5 else one for one in trials]
    departures = Departures(Plan(blocks=12))
    assert departures.after(10, left, failed) == {}
    assert departures.after(10, left, trials).keys() == set(SYNC)


def test_ties_that_rounding_hides_are_none_at_a_look_either() -> None:
    """The logarithm of 3 / 1.5 is not quite that of 0.3 / 0.15: one against the other speaks for neither side."""
    one, other = np.log(3.0) - np.log(1.5), np.log(0.15) - np.log(0.3)
    averages = Averages(np.array([one, other, *np.linspace(0.8, 1.6, 8)]))
    assert one + other != 0
    look = Look(blocks=10, differs=1, equal=None, covers=1)
    assert averages.against() == 2
    assert np.isnan(called_early(averages, look, margin=0.05, noise=0.0))
    assert called_early(averages, replace(look, differs=2), margin=0.05, noise=0.0) == 1
