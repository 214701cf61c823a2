"""Comparisons find what is there, and nothing where nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from every import every
from factories.trials import CLOSED, KEPT, Behaviour, ages, at_rate, case, default_plan, findings, noisy, replica, trial

from loadlab.analysis.comparisons import Rules, compare_all
from loadlab.analysis.noise import bars
from loadlab.stats.multiplicity import holm

from . import said

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.comparison import Comparison
    from loadlab.model.findings import Findings


def only(found: Findings, *, metric: str = "throughput", max_age: float | None = 60) -> Comparison:
    """The comparison of an age with its baseline."""
    wanted, closing = case(max_age=max_age), case()
    (one,) = [c for c in found.comparisons if (c.case, c.baseline, c.metric) == (wanted, closing, metric)]
    return one


def sync_run(*, blocks: int, kept: float = 600.0) -> Findings:
    base, finite, _ = ages()
    trials = [*noisy(base, 100, blocks=blocks, like=CLOSED), *noisy(finite, kept, blocks=blocks)]
    return findings([base, finite], trials, blocks=blocks)


def test_a_sixfold_throughput_is_found_with_its_size() -> None:
    one = only(sync_run(blocks=8))
    assert one.verdict == "better"
    assert one.low is not None
    assert one.high is not None
    assert 5.5 < one.low < 6 < one.high < 6.6


def test_five_blocks_never_give_a_verdict() -> None:
    assert only(sync_run(blocks=5)).verdict == "inconclusive"
    assert only(sync_run(blocks=6)).verdict == "better"


def test_a_sixth_of_the_throughput_is_worse() -> None:
    assert only(sync_run(blocks=8, kept=16)).verdict == "worse"


def test_holm_covers_exactly_the_baselines_in_the_primary_metric() -> None:
    found = default_plan().comparisons
    for question, size in (("keep", 6), ("unlimited", 3)):
        family = [one for one in found if one.p_holm is not None and one.question == question]
        assert len(family) == size
        assert {one.metric for one in family} == {"throughput"}
        p_values = [one.p for one in family if one.p is not None]
        assert [one.p_holm for one in family] == pytest.approx(holm(p_values))
    assert not [one for one in found if one.p_holm is not None and one.question == "noise"]


def test_a_comparison_that_was_lost_still_counts_in_its_family() -> None:
    base, finite, unlimited = ages()
    trials = [*noisy(base, 100, like=CLOSED), *noisy(finite, 600)]
    alone, beside = findings([base, finite], trials), findings([base, finite, unlimited], trials)
    assert only(alone).p_holm == 1 / 128
    assert only(beside).p_holm == 2 / 128


def test_outside_the_family_nothing_is_better_or_worse_however_clear() -> None:
    outside = [one for one in default_plan().comparisons if one.p_holm is None]
    assert {one.mde_ratio for one in outside} == {None}
    assert min(one.p for one in outside if one.p is not None) < 0.01
    assert {one.verdict for one in outside} <= {"equivalent", "inconclusive"}


def test_with_latency_as_primary_metric_less_is_better() -> None:
    base, finite, _ = ages()
    slow, fast = Behaviour(response=0.04), Behaviour(response=0.01)
    trials = [trial(of, block, like) for of, like in ((base, slow), (finite, fast)) for block in range(1, 9)]
    one = only(findings([base, finite], trials, primary_metric="p95"), metric="p95")
    assert (one.ratio, one.verdict) == (pytest.approx(0.25), "better")


def test_the_replica_is_marked_and_its_apparent_effect_is_the_noise_floor() -> None:
    base, finite, _ = ages()
    twin = replica(base)
    trials = [
        *noisy(base, 100, like=CLOSED),
        *noisy(finite, 130, like=CLOSED),
        *noisy(twin, 160, like=CLOSED),
    ]
    found = findings([base, finite, twin], trials)
    assert [one.case for one in found.comparisons if one.question == "noise"] == [twin] * 3
    assert only(found).verdict == "inconclusive"
    assert only(findings([base, finite], trials)).verdict == "better"


def test_the_noisiest_replica_sets_the_bar_for_all() -> None:
    sync, gevent = case(), case("gevent")
    cases = [sync, replica(sync), gevent, replica(gevent)]
    rates = zip(cases, (100.0, 101.0, 100.0, 80.0), strict=True)
    table = {("throughput", of): dict.fromkeys(range(8), rate) for of, rate in rates}
    assert bars(cases, table, 0.05)["throughput"].noise == pytest.approx(np.log(100 / 80))


def test_only_blocks_complete_on_both_sides_are_paired() -> None:
    base, finite, _ = ages()
    broken = Behaviour(state="invalid", reason="generator too busy")
    trials = [*noisy(base, 100, like=CLOSED), *noisy(finite, 600)[:7], trial(finite, 8, broken)]
    assert only(findings([base, finite], trials)).blocks == 7


def test_a_withheld_percentile_is_not_compared() -> None:
    base, finite, _ = ages()
    few = Behaviour(requests=58)
    trials = [trial(of, block, few) for of in (base, finite) for block in range(1, 9)]
    found = findings([base, finite], trials)
    assert only(found, metric="p95").ratio is None
    assert only(found, metric="p50").ratio == pytest.approx(1)


def test_unlimited_is_compared_with_the_finite_age() -> None:
    finite, unlimited = (case(max_age=age) for age in (60, None))
    (one,) = [c for c in default_plan().comparisons if (c.case, c.baseline) == (unlimited, finite)]
    assert (one.metric, one.p_holm, one.verdict) == ("throughput", 1.0, "inconclusive")


def test_where_all_fails_the_case_is_worse_without_bound() -> None:
    base, finite, _ = ages()
    lost = Behaviour(requests=400, failed=400)
    trials = [trial(of, block, like) for of, like in ((base, KEPT), (finite, lost)) for block in range(1, 9)]
    one = only(findings([base, finite], trials))
    assert (one.ratio, one.low, one.high, one.blocks, one.verdict) == (0.0, 0.0, 0.0, 8, "worse")
    assert one.p == 1 / 128


def test_where_only_the_baseline_fails_the_case_is_better_without_bound() -> None:
    base, finite, _ = ages()
    lost = Behaviour(requests=0)
    trials = [trial(of, block, like) for of, like in ((base, lost), (finite, KEPT)) for block in range(1, 9)]
    one = only(findings([base, finite], trials))
    assert (one.ratio, one.verdict) == (np.inf, "better")


@pytest.mark.thorough
@every("noise", [0.02, 0.1, 0.3])
def test_identical_arms_get_a_verdict_in_at_most_5_percent_of_runs(noise: float) -> None:
    cases = [*ages("sync"), replica(case()), *ages("threaded"), *ages("gevent")]
    assert sum(_any_verdict(cases, seed, noise) for seed in range(200)) <= 10


def _any_verdict(cases: list[Case], seed: int, noise: float) -> bool:
    """A run of 8 blocks on a machine that drifts; all cases are the same."""
    generator = np.random.default_rng(seed)
    drift = generator.normal(0, 0.2, 8)
    table = {
        ("throughput", one): dict(enumerate(np.exp(drift + generator.normal(0, noise, 8)).tolist())) for one in cases
    }
    found = compare_all(cases, table, Rules(bars=bars(cases, table, 0.05), primary="throughput", blocks=8))
    return any(one.verdict in ("better", "worse") for one in found)


def test_unlimited_is_judged_over_all_groups_with_one_word_everywhere() -> None:
    """Six blocks up and two a little down: p is 0.039 alone, and 0.12 among three groups."""
    ratios = [1.2, 1.21, 1.22, 1.23, 1.24, 1.25, 0.99, 0.98]
    for servers, word in ((["sync"], "better"), (["sync", "gthread", "asgi"], "no difference proven")):
        cases = [case(server, max_age) for server in servers for max_age in (0, 60, None)]
        trials = [
            trial(of, block, at_rate(600 * ratio if of.max_age is None else 600 if of.max_age else 100))
            for of in cases
            for block, ratio in enumerate(ratios, start=1)
        ]
        found = findings(cases, trials)
        judged = {one.verdict for one in found.comparisons if one.question == "unlimited"}
        assert judged == {word.replace("no difference proven", "inconclusive")}
        sentence = next(text for text in said.answer(found) if text.startswith("Unlimited"))
        assert sentence.count(word) == len(servers)
        chosen = {one.recommend.max_age for one in found.verdicts if one.recommend}
        assert chosen == {None if word == "better" else 60}
        cards = [why for one in found.verdicts for why in said.why(found, one) if why.startswith("Unlimited: ")]
        assert all(word in why for why in cards)
        assert len(cards) == (0 if word == "better" else 3)
