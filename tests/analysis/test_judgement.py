"""A name is given to a difference only when it clears every bar."""

from __future__ import annotations

from dataclasses import replace

from every import every

from loadlab.analysis.judgement import Bar, judge
from loadlab.stats.intervals import Interval
from loadlab.stats.paired import Effect

THROUGHPUT = Bar(margin=0.05, noise=0.02, higher_is_better=True)
LATENCY = replace(THROUGHPUT, higher_is_better=False)
FASTER = Effect(blocks=8, ratio=1.5, interval=Interval(1.3, 1.7), narrow=Interval(1.35, 1.65), p=0.0078)
SAME = Effect(blocks=8, ratio=1.0, interval=Interval(0.97, 1.04), narrow=Interval(0.98, 1.03), p=0.8)


def test_more_throughput_is_better_and_more_latency_is_worse() -> None:
    assert judge(FASTER, THROUGHPUT, p_adjusted=0.047) == "better"
    assert judge(FASTER, LATENCY, p_adjusted=0.047) == "worse"


def test_five_blocks_are_inconclusive_however_clear_they_look() -> None:
    assert judge(replace(FASTER, blocks=5), THROUGHPUT, p_adjusted=0.001) == "inconclusive"
    assert judge(replace(SAME, blocks=5), THROUGHPUT, p_adjusted=1.0) == "inconclusive"
    assert judge(replace(FASTER, blocks=6), THROUGHPUT, p_adjusted=0.001) == "better"


@every("p_adjusted", [0.05, 0.2, None])
def test_without_a_small_adjusted_p_a_difference_is_inconclusive(p_adjusted: float | None) -> None:
    assert judge(FASTER, THROUGHPUT, p_adjusted=p_adjusted) == "inconclusive"


def test_a_difference_no_larger_than_between_twins_is_inconclusive() -> None:
    assert judge(FASTER, replace(THROUGHPUT, noise=0.5), p_adjusted=0.01) == "inconclusive"


def test_an_interval_that_includes_1_is_inconclusive() -> None:
    wide = replace(FASTER, interval=Interval(0.99, 2.2), narrow=Interval(1.01, 2.1))
    assert judge(wide, THROUGHPUT, p_adjusted=0.01) == "inconclusive"


def test_equivalence_takes_the_90_percent_interval_inside_the_margin() -> None:
    assert judge(SAME, THROUGHPUT, p_adjusted=None) == "equivalent"
    beyond = replace(SAME, narrow=Interval(0.98, 1.051))
    assert judge(beyond, THROUGHPUT, p_adjusted=None) == "inconclusive"
    assert judge(SAME, replace(THROUGHPUT, margin=0.02), p_adjusted=None) == "inconclusive"


def test_a_significant_difference_within_the_margin_counts_as_none() -> None:
    small = Effect(blocks=8, ratio=1.03, interval=Interval(1.02, 1.04), narrow=Interval(1.022, 1.038), p=0.0078)
    assert judge(small, replace(THROUGHPUT, noise=0.0), p_adjusted=0.01) == "equivalent"


def test_nothing_measured_is_inconclusive() -> None:
    assert judge(Effect(blocks=0), THROUGHPUT, p_adjusted=None) == "inconclusive"
