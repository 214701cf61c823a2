"""What was seen over time: bounded, and without losing a count."""

from __future__ import annotations

import json
import re
from importlib import resources
from itertools import pairwise

import pytest
from every import every
from factories.made_runs import HZ, sampled

from loadlab.live.reading.bins import between
from loadlab.live.reading.timeline import BIN_SECONDS, COLUMNS, FEWEST, HOLDERS, MOST_BINS, REASONS, Timeline
from loadlab.model.metrics import RESPONSE_SECONDS


def filled(looks: int, order: int = 0) -> Timeline:
    """What a trial of so many looks leaves."""
    timeline = Timeline(0.0)
    seen = [sampled(order, look / HZ, look) for look in range(looks)]
    for earlier, later in pairwise([None, *seen]):
        assert later is not None
        timeline.add(later.at, between(earlier, later))
    return timeline


def column(timeline: Timeline, name: str) -> list[float | None]:
    return [row[COLUMNS.index(name)] for row in timeline.rows()]


@pytest.mark.thorough
@every("looks", [2, 600, 601, 7200, 50_000])
def test_a_long_timeline_has_few_rows_that_hold_every_request(looks: int) -> None:
    timeline = filled(looks)
    rows = timeline.rows()
    assert len(rows) <= MOST_BINS
    assert looks < 2 * MOST_BINS or len(rows) > MOST_BINS / 2
    seconds = [bin_.seconds for bin_ in timeline._bins.values()]
    counted = sum(rate * each for rate, each in zip(column(timeline, "requests"), seconds, strict=True) if rate)
    assert counted == pytest.approx(50 * (looks - 1), rel=0.01)
    assert sum(seconds) == pytest.approx((looks - 1) / HZ)
    assert len(json.dumps(rows)) < 150_000


def test_rates_are_a_second_and_shares_of_what_used_a_connection() -> None:
    timeline = filled(20)
    assert column(timeline, "requests")[1:] == [100.0] * 19
    assert column(timeline, "opened")[5] == 50.0
    assert column(timeline, "closed_garbage_collected")[5] == 40.0
    assert column(timeline, "reuse")[5] == 0.5
    assert column(timeline, "cpu_app")[5] == pytest.approx(0.8)
    assert column(timeline, "backends_active")[5] == 1.0
    assert column(timeline, "cpu_pooler") == [None] * 20


def test_the_first_look_at_a_trial_tells_no_rate() -> None:
    timeline = filled(1)
    assert column(timeline, "requests") == [None]
    assert column(timeline, "open") == [4.0]
    assert [column(timeline, name)[0] for name in HOLDERS] == [0.0, 0.0, 1.0, 3.0, 0.0, 0.0]


def test_a_percentile_waits_for_enough_requests_of_the_same_trial() -> None:
    timeline = filled(20)
    enough = -(-FEWEST[0.99] // 50)
    p99 = column(timeline, "p99")
    assert p99[:enough] == [None] * enough
    assert all(RESPONSE_SECONDS[29] < value < RESPONSE_SECONDS[30] for value in p99[enough:] if value is not None)
    assert None not in p99[enough:]
    assert None not in column(timeline, "p50")[1:]
    first, second = sampled(1, 20.0, 0), sampled(1, 20.5, 1)
    timeline.add(20.0, between(None, first))
    timeline.add(20.5, between(first, second))
    assert column(timeline, "p99")[-1] is None


def test_a_glimpse_is_added_to_what_was_before_it() -> None:
    timeline = filled(10)
    earlier, later = sampled(0, 4.5, 9), sampled(0, 4.5 + BIN_SECONDS / 10, 10)
    before = len(timeline)
    timeline.add(later.at, between(earlier, later))
    assert len(timeline) == before
    assert column(timeline, "requests")[-1] == pytest.approx(100 / 0.55, rel=0.001)


def test_reset_counters_and_clocks_set_back_make_nothing_negative() -> None:
    timeline = filled(10)
    anew = between(sampled(0, 4.5, 9), sampled(0, 1.0, 2))
    assert anew.grown["requests"] == sampled(0, 1.0, 2).values["requests"]
    timeline.add(1.0, anew)
    assert all(value is None or value >= 0 for row in timeline.rows() for value in row)
    instants = column(timeline, "at")
    assert instants == sorted(value for value in instants if value is not None)


def test_the_page_draws_columns_that_there_are_and_every_reason_to_close() -> None:
    script = (resources.files("loadlab.live") / "assets" / "plots.js").read_text()
    drawn = set(re.findall(r'column: "(\w+)"', script))
    assert {"requests", "p99", "open", "cpu_app", *HOLDERS} <= drawn <= set(COLUMNS)
    (reasons,) = re.findall(r"REASONS = \[([^]]+)\]", script)
    assert re.findall(r'"(\w+)"', reasons) == list(REASONS)
    template = (resources.files("loadlab.live") / "templates" / "run.html.jinja").read_text()
    assert re.findall(r'chart\(n, "(\w+)"', template) == re.findall(r"^  (\w+): (?:\[|REASONS)", script, re.MULTILINE)
