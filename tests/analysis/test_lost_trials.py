"""What a case does not serve is in its verdict: no trial that it lost leaves a comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from every import every
from factories.trials import CLOSED, LEAKING, Behaviour, ages, at_rate, caveats_of, findings, trial

from loadlab.model.causes import Cause
from loadlab.model.condition import OpenLoad
from loadlab.model.samples import measured_for_good

from . import said

FASTER = Behaviour(requests=520)
HUNG = Behaviour(requests=0)
FAILED = Behaviour(requests=5, failed=5)
DROPPED = replace(FASTER, state="invalid", causes=(Cause.TASKS_DROPPED,))
LATE = replace(FASTER, state="invalid", causes=(Cause.SENT_LATE,))
UNANSWERED = replace(HUNG, state="failed", causes=(Cause.UNANSWERED,))
BUSY = replace(FASTER, state="invalid", causes=(Cause.GENERATOR_BUSY,))
LOST = [HUNG, FAILED, DROPPED, LATE, UNANSWERED]

if TYPE_CHECKING:
    from loadlab.model.findings import Findings


def run(lost: Behaviour, blocks: list[int], *, side: int = 1, of: int = 14, metric: str = "throughput") -> Findings:
    """Age 60 serves 1.3 times the baseline, but for the lost blocks of one side."""
    cases = [
        replace(case, open_load=OpenLoad(rate=100, arrivals="uniform")) if metric == "p95" else case
        for case in ages()[:2]
    ]
    trials = []
    for block in range(1, of + 1):
        usual = [Behaviour(requests=400 + block, response=0.02), Behaviour(requests=520 + 2 * block, response=0.01)]
        if block in blocks:
            usual[side] = lost
        trials += [trial(case, block, like) for case, like in zip(cases, usual, strict=True)]
    if metric == "p95":
        trials = [with_dues(one) for one in trials]
    return findings(cases, trials, blocks=of, trials_planned=2 * of, trials_done=2 * of, primary_metric=metric)


def with_dues(one):  # noqa: ANN001, ANN201
    requests = one.requests
    return replace(one, requests=replace(requests, due=requests.ended, sent=requests.ended))


def test_without_a_lost_trial_the_faster_case_is_recommended() -> None:
    found = run(HUNG, [])
    assert found.comparisons[0].verdict == "better"
    assert found.verdicts[0].recommend is not None
    assert found.verdicts[0].recommend.max_age == 60


@every("metric", ["throughput", "p95"])
@every("lost", LOST, ids=lambda one: "".join(one.causes) or f"{one.requests} requests")
def test_a_case_lost_in_6_of_14_blocks_is_neither_better_nor_chosen(lost: Behaviour, metric: str) -> None:
    found = run(lost, [2, 4, 6, 8, 10, 12], metric=metric)
    assert found.comparisons[0].verdict == "inconclusive"
    assert found.comparisons[0].blocks == 14
    assert found.verdicts[0].recommend is None or found.verdicts[0].recommend.max_age == 0
    assert any("block 2, 4, 6, 8, 10 and 12" in caveat.text for caveat in caveats_of(found))


@every("lost", [HUNG, FAILED, UNANSWERED])
def test_a_case_that_served_nothing_even_once_is_not_recommended(lost: Behaviour) -> None:
    found = run(lost, [7])
    assert found.verdicts[0].recommend is None
    assert said.headline(found) == "sync: inconclusive, because only one trial shows the fault of kept connections."
    assert "served nothing in 1 of 14 trials" in set(map(said.objection, found.verdicts[0].ranking))
    assert said.answer(found)[0].startswith("This run cannot say whether CONN_MAX_AGE = 600")


def test_a_leak_counts_where_the_target_did_not_keep_up() -> None:
    """20 blocks would forgive two unknown trials."""
    base, finite = ages("gevent", usable=8)[:2]
    trials = [trial(base, block, at_rate(100 + block % 3, CLOSED)) for block in range(1, 21)]
    trials += [trial(finite, block, at_rate(150 + block % 3)) for block in range(1, 19)]
    assert findings([base, finite], trials).verdicts[0].recommend is not None
    spoilt = [
        replace(trial(finite, block, LEAKING), state="invalid", reason="stood still", by_target=True)
        for block in (19, 20)
    ]
    found = findings([base, finite], [*trials, *spoilt])
    assert found.arms[1].leaks
    assert found.verdicts[0].recommend is not None
    assert found.verdicts[0].recommend.max_age == 0
    assert said.answer(found)[0].startswith(
        "CONN_MAX_AGE = 600, the default proposed in 2013, is not a safe default: in gevent, kept connections leak"
    )


@every("lost", LOST)
def test_a_case_that_is_lost_somewhere_is_not_equivalent(lost: Behaviour) -> None:
    base, finite = ages()[:2]
    alike = [trial(of, block, at_rate(100 + block % 3, CLOSED)) for of in (base, finite) for block in range(1, 9)]
    assert findings([base, finite], alike).comparisons[0].verdict == "equivalent"
    found = findings([base, finite], [*alike[:-2], trial(finite, 7, lost), trial(finite, 8, lost)])
    assert found.comparisons[0].verdict == "inconclusive"


def test_a_baseline_that_served_nothing_speaks_for_the_case() -> None:
    found = run(HUNG, [2, 4, 6], side=0)
    assert found.comparisons[0].verdict == "better"
    assert found.verdicts[0].recommend is not None
    assert found.verdicts[0].recommend.max_age == 60


@every("lost", [DROPPED, LATE])
def test_a_baseline_that_did_not_keep_up_speaks_for_no_case(lost: Behaviour) -> None:
    found = run(lost, [2, 4, 6], side=0)
    assert found.comparisons[0].verdict == "inconclusive"
    assert found.verdicts[0].recommend is None


@every(("blocks", "alone"), [(14, 1.3), (20, 1.0), (40, 1.3)])
def test_one_trial_that_served_nothing_is_enough_for_no_good_word(blocks: int, alone: float) -> None:
    base, finite = ages()[:2]
    trials = [trial(base, block, at_rate(100 + block % 3, CLOSED)) for block in range(1, blocks + 1)]
    trials += [trial(finite, block, at_rate(alone * (100 + block % 3), CLOSED)) for block in range(1, blocks)]
    good = findings([base, finite], trials).comparisons[0].verdict
    one = findings([base, finite], [*trials, trial(finite, blocks, HUNG)]).comparisons[0]
    assert good == ("better" if alone > 1 else "equivalent")
    assert (one.verdict, one.blocks) == ("inconclusive", blocks)


def test_a_case_that_served_nothing_anywhere_is_worse() -> None:
    assert run(HUNG, list(range(1, 15))).comparisons[0].verdict == "worse"


def test_a_fault_of_the_generator_leaves_the_pair_out() -> None:
    one = run(BUSY, [2]).comparisons[0]
    assert (one.blocks, one.verdict) == (13, "better")


def test_trials_that_hang_weigh_as_much_as_those_with_many_requests() -> None:
    slow = replace(FAILED, failed=4)  # one of five requests succeeds
    found = run(slow, [2, 4, 6])
    assert "17.1 % of requests failed" in set(map(said.objection, found.verdicts[0].ranking))
    assert found.verdicts[0].recommend is None or found.verdicts[0].recommend.max_age == 0


def test_a_percentile_withheld_on_one_side_is_not_a_missing_pair() -> None:
    few = Behaviour(requests=58, response=0.01)
    found = run(few, [2, 4, 6, 8], metric="throughput")
    (p95,) = [one for one in found.comparisons if one.metric == "p95"]
    assert (p95.blocks, p95.high) == (14, float("inf"))


def test_a_trial_without_response_stands_where_its_case_has_answered() -> None:
    zero, kept = ages()[:2]
    answered, unanswered, silent = trial(kept, 1), trial(kept, 2, UNANSWERED), trial(zero, 1, UNANSWERED)
    assert measured_for_good([answered, unanswered, silent]) == [answered, unanswered]
    broken = replace(unanswered, causes=(Cause.GENERATOR_FAILED,))
    assert measured_for_good([answered, broken]) == [answered]


def test_cases_without_a_database_are_said_to_tell_nothing() -> None:
    (case,) = ages()[:1]
    found = findings([case], [trial(case, block, Behaviour(opened=0, reused=0, held=0)) for block in (1, 2)])
    assert "No request used the database" in " ".join(caveat.text for caveat in caveats_of(found))
