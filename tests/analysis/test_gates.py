"""Gates are decided by intervals: what is certain passes or fails, and the rest is undecided."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log, nan
from typing import TYPE_CHECKING

import numpy as np
import pytest
from factories.trials import Behaviour, ages, at_rate, case, findings, noisy, trial

from loadlab.analysis.gate_evidence import AFTER, COUNTS, ESTIMATES, questions_between, questions_of
from loadlab.analysis.gates import Counted, OverBlocks, OverRuns, OverTrials, Question, decide
from loadlab.model.aftermath import Promise
from loadlab.model.config import Config
from loadlab.model.departure import Departure, Why
from loadlab.model.gates import MEASURES, Doubt, GateOutcome, GateResult
from loadlab.model.planned_fault import Bound, PlannedFault
from loadlab.plan.gates import read_gates

if TYPE_CHECKING:
    from loadlab.model.findings import Findings
    from loadlab.model.gates import Gate

NOTHING_LOST, LOSS = 0.0, log(0.9)
NOISE = 0.045  # between trials, as benchmarks/variance.py measures


def gate(text: str) -> Gate:
    (found,) = read_gates([text])
    return found


def over_trials(text: str, *values: float) -> GateResult:
    (found,) = decide([Question(gate=gate(text), evidence=OverTrials(np.array(values)))])
    return found


def outcomes(found: Findings, *texts: str) -> dict[str, str]:
    """The case's strategy → outcome, of the first gate."""
    results = decide(questions_of(found, read_gates(texts)))
    return {str(one.case.strategy.parameters["max_age"]): str(one.outcome) for one in results if one.case}


def test_every_quantity_is_measured_as_its_table_says() -> None:
    assert set(COUNTS) | set(ESTIMATES) | set(AFTER) == set(MEASURES)
    assert set(AFTER) == {name for name, one in MEASURES.items() if one.needs == "fault"}
    assert all(MEASURES[name].kind == "count" for name in COUNTS)
    assert all(MEASURES[name].kind == "estimate" for name in ESTIMATES)


@pytest.mark.parametrize(("seen", "outcome"), [(0.0, "pass"), (1.0, "fail")])
def test_a_count_is_decided_at_once(seen: float, outcome: str) -> None:
    (found,) = decide([Question(gate=gate("leaks == 0"), evidence=Counted(seen))])
    assert (found.outcome, found.low, found.high) == (outcome, None, None)


def test_a_count_that_was_not_taken_is_undecided() -> None:
    (found,) = decide([Question(gate=gate("leaks == 0"), evidence=Counted(None, Doubt.LEAK_UNKNOWN))])
    assert (found.outcome, found.doubt) == (GateOutcome.UNDECIDED, Doubt.LEAK_UNKNOWN)


def test_an_interval_on_the_good_side_passes_and_one_beyond_fails() -> None:
    values = (0.031, 0.032, 0.033, 0.034, 0.035)
    assert over_trials("p95 < 50 ms", *values).outcome == "pass"
    assert over_trials("p95 < 20 ms", *values).outcome == "fail"
    assert over_trials("p95 < 33 ms", *values).doubt is Doubt.INTERVAL


def test_an_end_exactly_at_the_limit_counts_as_the_operator_says() -> None:
    values = (1.0, 2.0, 3.0, 4.0, 5.0)
    assert over_trials("throughput >= 1", *values).outcome == "pass"
    assert over_trials("throughput > 1", *values).outcome == "undecided"
    assert over_trials("throughput <= 5", *values).outcome == "pass"
    assert over_trials("throughput < 1", *values).outcome == "fail"


def test_too_few_trials_leave_an_estimate_undecided() -> None:
    found = over_trials("p95 < 50 ms", 0.01, 0.01, 0.01, 0.01)
    assert (found.outcome, found.doubt) == (GateOutcome.UNDECIDED, Doubt.TOO_FEW_TRIALS)


def test_percentiles_of_too_few_requests_leave_a_gate_undecided() -> None:
    found = over_trials("p95 < 50 ms", nan, nan, nan, nan, nan)
    assert (found.outcome, found.doubt) == (GateOutcome.UNDECIDED, Doubt.VALUE_UNKNOWN)


def test_trials_that_served_nothing_fail_a_latency() -> None:
    assert over_trials("p95 < 50 ms", inf, inf, inf, inf, inf).outcome == "fail"


def test_a_trial_of_unknown_latency_speaks_against_both_ends() -> None:
    assert over_trials("p95 < 50 ms", 0.01, 0.01, 0.01, 0.01, nan).outcome == "undecided"
    assert over_trials("p95 < 5 ms", 0.01, 0.01, 0.01, 0.01, nan).outcome == "undecided"


def test_the_interval_shown_contains_the_limit_exactly_where_undecided() -> None:
    generator = np.random.default_rng(7)
    gates = [gate(f"throughput >= {limit} × baseline") for limit in (0.9, 0.95, 1, 1.05)]
    for _ in range(200):
        centre = generator.uniform(-0.2, 0.2)
        family = [
            Question(gate=one, evidence=OverBlocks(centre + NOISE * generator.standard_normal(12))) for one in gates
        ]
        for one in decide(family):
            assert one.low is not None
            assert one.high is not None
            inside = one.low < one.gate.limit.value <= one.high
            assert inside == (one.outcome is GateOutcome.UNDECIDED)


def share_that_fails(limit: str, gates: int, shift: float, runs: int = 400, blocks: int = 12) -> float:
    """Of builds with so many cases, of which the first differs from its baseline by `shift`."""
    generator = np.random.default_rng([2013, gates, blocks])
    asked, failed = gate(f"throughput >= {limit} × baseline"), 0
    for _ in range(runs):
        noise = NOISE * np.sqrt(2) * generator.standard_normal((gates, blocks))
        noise[0] += shift
        results = decide([Question(gate=asked, evidence=OverBlocks(of)) for of in noise])
        failed += any(one.outcome is GateOutcome.FAIL for one in results)
    return failed / runs


def test_a_change_of_nothing_seldom_fails_a_build() -> None:
    assert share_that_fails("0.95", 6, NOTHING_LOST) == 0
    assert share_that_fails("1", 6, NOTHING_LOST) <= 0.08  # 5 % in truth, and three standard errors
    assert share_that_fails("1", 1, NOTHING_LOST) <= 0.08


@pytest.mark.parametrize("gates", [1, 6])
def test_a_loss_of_a_tenth_mostly_fails_a_build_of_twelve_blocks(gates: int) -> None:
    assert share_that_fails("0.95", gates, LOSS) >= 0.78


def test_a_family_of_absolute_limits_shares_its_error() -> None:
    generator, failed = np.random.default_rng(5), 0
    for _ in range(400):
        trials = np.exp(NOISE * generator.standard_normal((10, 12)))
        family = [Question(gate=gate("p95 <= 1000 ms"), evidence=OverTrials(of)) for of in trials]
        failed += any(one.outcome is GateOutcome.FAIL for one in decide(family))
    assert failed / 400 <= 0.08


def test_two_runs_are_compared_without_pairs() -> None:
    generator = np.random.default_rng(3)
    before, after = NOISE * generator.standard_normal((2, 12))
    asked = gate("throughput >= 0.95 × baseline")
    slower = decide([Question(gate=asked, evidence=OverRuns(before, after + log(0.8)))])
    faster = decide([Question(gate=asked, evidence=OverRuns(before, after + log(1.1)))])
    few = decide([Question(gate=asked, evidence=OverRuns(before[:2], after[:2]))])
    assert [one[0].outcome for one in (slower, faster, few)] == ["fail", "pass", "undecided"]


def test_what_the_machine_may_have_changed_between_two_runs_fails_no_gate() -> None:
    generator = np.random.default_rng(3)
    before, after = NOISE * generator.standard_normal((2, 12))
    asked, loss = gate("throughput >= 0.95 × baseline"), log(0.88)
    apart = decide([Question(gate=asked, evidence=OverRuns(before, after + loss))])
    paired = decide([Question(gate=asked, evidence=OverBlocks(after - before + loss))])
    assert [one[0].outcome for one in (apart, paired)] == ["undecided", "fail"]


def test_a_gate_is_asked_of_the_cases_that_it_is_for() -> None:
    sync, gevent = ages("sync"), ages("gevent")
    found = findings([*sync, *gevent], [trial(one) for one in (*sync, *gevent)])
    texts = ["leaks == 0", "gevent*: open <= 20", "sync: throughput >= 0.95 × baseline"]
    asked = questions_of(found, read_gates(texts))
    by_gate = [[one.case for one in asked if one.gate.text in text] for text in texts]
    assert [len(of) for of in by_gate] == [len(sync) + len(gevent), len(gevent), len(sync) - 1]


def test_a_replica_has_no_gates() -> None:
    base = case()
    found = findings([base, replace(base, replica=True)], [trial(base), trial(replace(base, replica=True))])
    assert [one.case for one in questions_of(found, read_gates(["leaks == 0"]))] == [base]


def test_throughput_beside_the_baseline_is_paired_by_block() -> None:
    closing, keeping = case(), case(max_age=60)
    trials = [*noisy(closing, 100, blocks=12), *noisy(keeping, 80, blocks=12, seed=2)]
    found = findings([closing, keeping], trials)
    assert outcomes(found, "throughput >= 0.95 × baseline") == {"60": "fail"}
    assert outcomes(found, "throughput >= 0.5 × baseline") == {"60": "pass"}
    assert outcomes(found, "throughput >= 50") == {"0": "pass", "60": "pass"}


def test_counts_are_those_of_the_trials() -> None:
    failing = Behaviour(requests=100, failed=3)
    found = findings([case()], [trial(case(), block, failing) for block in (1, 2)])
    results = {
        one.gate.quantity: one
        for one in decide(questions_of(found, read_gates(["failed == 0", "failed_share <= 3 %"])))
    }
    assert (results["failed"].value, results["failed"].outcome) == (6, "fail")
    assert (results["failed_share"].value, results["failed_share"].outcome) == (0.03, "pass")


def test_a_case_without_trials_is_undecided() -> None:
    found = findings([case()], [])
    texts = ("leaks == 0", "open <= 9", "p95 < 1 s", "refused == 0", "failed_share < 5 %")
    assert {one.doubt for one in decide(questions_of(found, read_gates(texts)))} == {Doubt.NOT_MEASURED}


def test_a_run_that_could_end_early_has_wider_intervals() -> None:
    closing, keeping = case(), case(max_age=60)
    trials = [*noisy(closing, 100, blocks=8), *noisy(keeping, 105, blocks=8, seed=2)]
    fixed = findings([closing, keeping], trials)
    left = {keeping: Departure(case=1, blocks=8, spared=4, why=Why.DECIDED)}
    early = replace(fixed, departures=left, run=replace(fixed.run, blocks=12))
    (one,), (other,) = (decide(questions_of(of, read_gates(["throughput >= 0.9 × baseline"]))) for of in (fixed, early))
    assert one.low is not None
    assert other.low is not None
    assert other.low < one.low


def test_the_baseline_of_a_second_run_is_the_same_case_of_the_first() -> None:
    base, keeping = case(), case(max_age=60)
    before = findings([base, keeping], [*noisy(base, 100, blocks=12), *noisy(keeping, 100, blocks=12, seed=3)])
    after = findings([base, keeping], [*noisy(base, 101, blocks=12, seed=4), *noisy(keeping, 80, blocks=12, seed=5)])
    results = decide(questions_between(before, after, read_gates(["throughput >= 0.95 × baseline"])))
    assert [(one.case, one.outcome) for one in results] == [(base, "pass"), (keeping, "fail")]


def test_a_case_that_the_first_run_lacks_is_undecided() -> None:
    base, keeping = case(), case(max_age=60)
    before = findings([base], noisy(base, 100, blocks=6))
    after = findings([base, keeping], [*noisy(base, 100, blocks=6), *noisy(keeping, 100, blocks=6, seed=2)])
    results = decide(questions_between(before, after, read_gates(["open <= 1 × baseline"])))
    assert {one.case: one.doubt for one in results}[keeping] is Doubt.NOT_MEASURED


def test_a_count_beside_none_is_infinitely_many_times_as_much() -> None:
    base, keeping = case(), case(max_age=60)
    found = findings([base, keeping], [trial(base, 1), trial(keeping, 1, replace(at_rate(50), failed=2))])
    (one,) = decide(questions_of(found, read_gates(["failed <= 1 × baseline"])))
    assert (one.value, one.outcome) == (inf, "fail")


def after_restart(*trials: tuple[int, int, float | None]) -> Findings:
    """A case with a fault, and what it did in each trial: requests failed, connections lost, seconds until back."""
    restart = PlannedFault(config=Config(name="database_restart", parameters={"mode": "fast"}), at=1.0)
    calm = case()
    faulted = replace(calm, fault=restart)
    found = findings([calm, faulted], [trial(calm), *(trial(faulted, block) for block in range(1, len(trials) + 1))])
    (seen,) = [one for one in found.aftermaths.cases if one.case == faulted]
    made = tuple(
        replace(one, failed=failed, lost={"server": lost} if lost else {}, back_seconds=back, promise=None)
        for one, (failed, lost, back) in zip(seen.trials, trials, strict=True)
    )
    return replace(found, aftermaths=replace(found.aftermaths, cases=(replace(seen, trials=made),)))


@pytest.mark.parametrize(
    ("text", "trials", "outcome"),
    [
        ("failed_after(database_restart) <= 2", [(2, 2, 0.1), (1, 2, 0.1)], "pass"),
        ("failed_after(database_restart) <= 1", [(2, 2, 0.1), (1, 2, 0.1)], "fail"),
        ("failed_after(database_restart) <= 1 per connection", [(2, 2, 0.1), (1, 2, 0.1)], "pass"),
        ("failed_after(database_restart) <= 1 per connection", [(3, 2, 0.1), (1, 2, 0.1)], "fail"),
        ("failed_after(database_restart) <= 1 per connection", [(0, 0, 0.1)], "pass"),
        ("failed_after(database_restart) <= 1 per connection", [(1, 0, 0.1)], "fail"),
        ("recovered_after(database_restart) < 1 s", [(0, 0, 0.1), (0, 0, 0.9)], "pass"),
        ("recovered_after(database_restart) < 1 s", [(0, 0, 0.1), (0, 0, inf)], "fail"),
        ("recovered_after(database_restart) < 1 s", [(0, 0, 0.1), (0, 0, None)], "undecided"),
    ],
)
def test_what_a_fault_did_is_judged_by_its_worst_trial(
    text: str, trials: list[tuple[int, int, float | None]], outcome: str
) -> None:
    found = after_restart(*trials)
    (result,) = decide(questions_of(found, read_gates([text])))
    assert (result.case and result.case.fault is not None, result.outcome) == (True, outcome)


def test_a_return_that_noise_hides_is_undecided_for_this_reason() -> None:
    asked = read_gates(["recovered_after(database_restart) < 1 s", "failed_after(database_restart) <= 2"])
    recovered, failed = decide(questions_of(after_restart((0, 0, None)), asked))
    assert (recovered.outcome, recovered.doubt) == ("undecided", Doubt.NOISE_UNKNOWN)
    assert failed.outcome == "pass"


def test_per_connection_counts_the_requests_that_a_promise_is_about() -> None:
    found = after_restart((19, 2, 0.5))
    (seen,) = found.aftermaths.cases
    promise = Promise(bound=Bound.ONE_PER_CONNECTION, allowed=2, counted=2)
    trials = (replace(seen.trials[0], promise=promise),)
    kept = replace(found, aftermaths=replace(found.aftermaths, cases=(replace(seen, trials=trials),)))
    texts = ["failed_after(database_restart) <= 1 per connection", "failed_after(database_restart) <= 1"]
    assert [one.value for one in decide(questions_of(kept, read_gates(texts)))] == [1, 19]


def test_a_gate_without_a_fault_is_for_the_controls_alone() -> None:
    found = after_restart((2, 2, 0.1))
    assert [one.case and one.case.fault for one in questions_of(found, read_gates(["failed == 0"]))] == [None]
