"""One side of a run beside the other: the direction, how much, how sure that is, and where a report shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from factories import reports

from loadlab.model.case import Case
from loadlab.model.comparison import Comparison
from loadlab.model.config import Config
from loadlab.model.departure import Why
from loadlab.report import REPORTS
from loadlab.report.content import charts, story
from loadlab.report.prose.sides import sentence

if TYPE_CHECKING:
    from loadlab.model.comparison import Judgement
    from loadlab.model.findings import Findings

MAIN: Final = Case(
    server=Config(name="sync", parameters={"workers": 2}),
    strategy=Config(name="max_age", parameters={"max_age": 60}),
    scenario="read_one",
    users=8,
    keep_alive=False,
    usable_connections=2,
    side="main",
)


def said(
    ratio: float | None,
    low: float | None,
    high: float | None,
    verdict: Judgement,
    *,
    metric: str = "throughput",
    **more: Any,
) -> str:
    one = Comparison(
        case=MAIN,
        baseline=MAIN,
        metric=metric,
        ratio=ratio,
        low=low,
        high=high,
        p=0.01,
        p_holm=0.01,
        blocks=3,
        mde_ratio=None,
        verdict=verdict,
        question="side",
        **more,
    )
    return sentence(one, margin=0.05)


@pytest.mark.parametrize(
    ("figures", "verdict", "words"),
    [
        ((0.96, 0.93, 0.99), "worse", "this is 4 % slower than main (1–7 %)."),
        ((1.5, 1.2, float("inf")), "better", "this is 50 % faster than main (20–∞ %)."),
        (
            (1.0, 0.98, 1.012),
            "equivalent",
            "this is as fast as main: a difference of 5 % or more is ruled out (2 % slower to 1.2 % faster).",
        ),
        (
            (0.97, 0.91, 1.04),
            "inconclusive",
            "it is not decided whether this differs from main: 9 % slower to 4 % faster.",
        ),
        (
            (0.92, 0.85, 0.99),
            "inconclusive",
            "it is not proven that this differs from main, although its interval is 1–15 % slower.",
        ),
        (
            (0.97, None, None),
            "inconclusive",
            "this cannot be told from main: 3 blocks with both sides are too few.",
        ),
    ],
)
def test_a_side_is_slower_or_faster_by_its_throughput(
    figures: tuple[float, float | None, float | None], verdict: Judgement, words: str
) -> None:
    assert said(*figures, verdict) == words


def test_more_time_is_slower() -> None:
    assert said(1.1, 1.05, 1.2, "worse", metric="p95") == (
        "this is 10 % slower in its p95 response time than main (5–20 %)."
    )


def test_a_side_that_exact_counts_decided_is_not_called_slow() -> None:
    assert said(0.5, 0.4, 0.6, "inconclusive", left=Why.LEAKS) == (
        "exact counts have decided, not the speed (this against main)."
    )


def with_sides() -> Findings:
    """A run with an answer, whose cases at age 60 are measured on another side too."""
    found = reports.findings()
    age = next(one for one in found.comparisons if one.case.max_age == 60 and one.metric == "throughput")
    other = replace(age, baseline=replace(age.case, side="main"), question="side", ratio=0.5, verdict="worse")
    return replace(found, comparisons=(*found.comparisons, other))


@pytest.mark.parametrize("name", ["html", "markdown", "terminal"])
def test_a_report_says_how_the_sides_compare_before_what_to_set(name: str) -> None:
    found = with_sides()
    text = " ".join(REPORTS[name]().render(found).split())
    (said,) = story.between_sides(found)
    assert story.title(found) == "How does this compare with main?"
    assert "than main" in said
    assert 0 < text.index(said) < text.index("CONN_MAX_AGE = 60")


@pytest.mark.parametrize(("failures", "said"), [(0.48, True), (0.005, False)])
def test_a_side_that_fails_more_requests_is_named_with_its_share(failures: float, *, said: bool) -> None:
    """As one that lacks a page that the Locust file requests."""
    found = with_sides()
    (one,) = found.between_sides
    this = replace(next(arm for arm in found.arms if arm.case == one.case), requests=1000, failures=0)
    other = replace(this, case=one.baseline, failures=round(1000 * failures))
    (sentence,) = story.between_sides(replace(found, arms=(this, other)))
    assert sentence.endswith("48 % of the requests to main failed, 0 % of those to this.") is said


def test_the_chart_of_ratios_is_of_the_sides_or_not_there() -> None:
    drawn = charts.build(with_sides())
    assert drawn.compared_with == "main"
    assert [arm.ratio.value for arm in drawn.arms if arm.ratio] == [0.5]
    assert charts.build(reports.findings()).compared_with == "the baseline"
    alone = replace(reports.findings(), comparisons=())
    assert 'id="chart-ratio"' not in REPORTS["html"]().render(alone)
    assert 'id="chart-ratio"' in REPORTS["html"]().render(with_sides())
