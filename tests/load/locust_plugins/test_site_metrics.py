"""What is made of a site's metrics: rates, restarts, faults, and the table and download that show them."""

from __future__ import annotations

import csv
import random
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from every import every
from hypothesis import given
from hypothesis import strategies as st
from peers import Server

from loadlab.load.locust_plugins.exact_percentiles import PERCENTILES, ExactPercentiles, cell, percentiles
from loadlab.load.locust_plugins.site_metrics import (
    LATE,
    OPENED,
    History,
    SiteReading,
    UnreadableError,
    look,
    readings_of,
)
from loadlab.load.locust_plugins.site_table import rows, series, trend

if TYPE_CHECKING:
    from peers import Peer

INFO = 'loadlab_build_info{version="0",django="5",python="3"} 1.0\n'


def reading(open_now: float = 0, **counters: float) -> SiteReading:
    return SiteReading(open=open_now, counters={name.replace("_", " "): value for name, value in counters.items()})


def history(*readings: SiteReading | None, looks_kept: int = 100) -> History:
    """A look every two seconds; None is one that failed."""
    past = History(looks_kept)
    for number, one in enumerate(readings):
        if one is None:
            past.miss("does not answer: refused", at=2.0 * number)
        else:
            past.add({"default": one}, at=2.0 * number, moment=2.0 * number)
    return past


def table(past: History) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["alias"], row["figure"]): row for row in rows(past)}


def test_rates_are_per_second_between_two_looks() -> None:
    past = history(reading(opened=10), reading(3, opened=20, reused=30, opened_by_requests=10))
    (change,) = (look.changes["default"] for look in past.looks if look.changes)
    assert change.rate(OPENED) == 5.0
    assert change.reuse == 0.75
    assert change.open == 3


def test_over_looks_that_failed_a_rate_is_the_mean() -> None:
    past = history(reading(opened=0), None, None, reading(opened=12))
    assert past.looks[-1].changes["default"].rate(OPENED) == 2.0


def test_after_a_restart_counters_count_from_0_and_nothing_is_negative() -> None:
    past = history(reading(opened=100, reused=50), reading(opened=110, reused=55), reading(opened=4, reused=60))
    assert past.looks[-1].restarted
    assert past.restarts == 1
    # `reused` is greater than before, but it began anew together with `opened`.
    assert past.looks[-1].changes["default"].increases == {"opened": 4, "reused": 60}
    assert past.sums["default"] == {"opened": 14, "reused": 65}
    assert table(past)["", "metrics"]["now"].endswith("counters began anew 1×")


def test_an_alias_that_goes_and_comes_again_is_a_restart_and_not_a_jump() -> None:
    past = History()
    past.add({"default": reading(opened=100)}, at=0, moment=0)
    past.add({}, at=2, moment=2)
    past.add({"default": reading(opened=1)}, at=4, moment=4)
    assert past.restarts == 1
    assert past.sums["default"] == {"opened": 1}


def test_an_alias_that_one_look_misses_has_not_begun_anew() -> None:
    past = History()
    past.add({"default": reading(opened=1000, reused=50)}, at=0, moment=0)
    past.add({}, at=2, moment=2)
    past.add({"default": reading(opened=1010)}, at=4, moment=4)
    past.add({"default": reading(opened=1020, reused=80)}, at=6, moment=6)
    assert past.restarts == 0
    assert past.sums["default"] == {"opened": 20, "reused": 30}


def test_each_host_of_a_federation_has_separate_rows() -> None:
    lines = (
        f'loadlab_db_connections_open{{alias="default",instance="{host}"}} {n}\n' for host, n in (("a", 4), ("b", 7))
    )
    found = readings_of(INFO + "".join(lines))
    assert {row: one.open for row, one in found.items()} == {
        "default (instance=a)": 4,
        "default (instance=b)": 7,
    }


def test_the_history_is_bounded_and_the_sums_are_of_all_looks() -> None:
    past = history(*(reading(opened=number) for number in range(50)), looks_kept=10)
    assert len(past.looks) == 10
    assert past.sums["default"]["opened"] == 49


def test_the_table_says_since_when_the_metrics_cannot_be_read_and_why() -> None:
    shown = table(history(reading(1), reading(1), None, None))
    assert shown["", "metrics"]["now"].startswith("not read since ")
    assert shown["", "metrics"]["now"].endswith("the address does not answer: refused")
    assert shown["", "metrics"]["trend"] == "··✗✗"
    assert shown["default", "open"]["now"] == "–"


def test_the_table_has_a_row_for_each_reason_and_sums_up_since_the_first_look() -> None:
    past = History()
    for at, closed in enumerate((0, 4, 4)):
        past.add({"default": SiteReading(open=2, counters={"closed: max_age": closed, OPENED: 0})}, at=at, moment=at)
    row = table(past)["default", "closed/s: max_age"]
    assert (row["now"], row["total"], row["trend"], row["range"]) == ("0.0", "4", " █▁", "0.0 – 4.0")
    assert table(past)["default", "requests that reused one"]["now"] == "–"


def test_failed_connects_stand_out_in_red() -> None:
    past = History()
    for at, failed in enumerate((0, 4)):
        counters = {"failed to connect: too_many_connections": failed, OPENED: 0}
        past.add({"default": SiteReading(open=2, counters=counters)}, at=at, moment=at)
    assert table(past)["default", "🔴 failed connects/s: too_many_connections"]["now"] == "4.0"


def test_rows_come_in_the_order_of_their_names_by_which_locust_sorts_them() -> None:
    names = [row["name"] for row in rows(history(reading(opened=1), reading(opened=2)))]
    assert names == sorted(names)
    assert len(set(names)) == len(names) > 3


def test_nothing_seen_yet_is_said() -> None:
    (row,) = rows(History())
    assert row["now"] == "not read yet"
    assert list(series(History())) == []


def test_what_no_count_can_be_is_left_out_and_breaks_nothing() -> None:
    text = INFO + 'loadlab_db_connections_open{alias="a"} NaN\nloadlab_db_connections_open{alias="b"} -3\n'
    found = readings_of(text)
    assert found.keys() == {"b"}
    past = History()
    past.add(found, at=0, moment=0)
    past.add(found, at=1, moment=1)
    assert table(past)["b", "open"]["now"] == "-3"


def test_other_metrics_of_the_project_are_passed_over_unread() -> None:
    text = "no metric { at all\n" * 3 + INFO + 'loadlab_db_connections_open{alias="default"} 2.0\n'
    assert readings_of(text)["default"].open == 2


@every("text", ["", "<html>", "up 1\n", 'loadlab_db_connections_open{alias="default"} 2.0\n'])
def test_an_answer_without_loadlabs_metrics_is_refused_with_the_next_step(text: str) -> None:
    with pytest.raises(UnreadableError, match=r"add 'loadlab\.instrumentation' to INSTALLED_APPS"):
        readings_of(text)


@every("line", ['loadlab_db_connections_open{alias="a" 2', "loadlab_db_connections_open 2", "loadlab_x{y"])
def test_broken_metrics_are_a_fault_and_no_crash(line: str) -> None:
    with pytest.raises(UnreadableError):
        readings_of(INFO + line + "\n")


@given(st.lists(st.none() | st.floats(0, 1e9), max_size=80))
def test_a_trend_has_a_bar_for_each_value_and_the_greatest_is_the_highest(values: list[float | None]) -> None:
    bars = trend(values)
    assert len(bars) == len(values)
    there = [value for value in values if value is not None]
    if any(there):
        assert bars[values.index(max(there))] == "█"


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=300))
def test_percentiles_are_those_of_the_sorted_list(times: list[int]) -> None:
    ordered = sorted(times)
    found = percentiles(Counter(times), PERCENTILES)
    # The least value that is not exceeded by more than the rest; in whole numbers, ten thousandths of all.
    ranks = [max(1, -(-len(times) * round(percentile * 100) // 10_000)) for percentile in PERCENTILES]
    assert found == [ordered[rank - 1] for rank in ranks]


def test_the_download_has_a_row_for_each_name_and_one_for_all() -> None:
    exact = ExactPercentiles()
    times = [random.uniform(1, 50) for _ in range(1000)]
    for milliseconds in times:
        exact.add(request_type="GET", name="/entries/[number]/", response_time=milliseconds, exception=None)
    exact.add(request_type="POST", name="=HYPERLINK()", response_time=None)
    header, entries, formula, everything = csv.reader(exact.to_csv().splitlines())
    assert header[:4] == ["Type", "Name", "Request Count", "50%"]
    assert entries[:3] == ["GET", "/entries/[number]/", "1000"]
    assert entries[header.index("99%")] == f"{sorted(times)[989]:.3f}"
    assert formula[1] == "'=HYPERLINK()"
    assert everything[1:3] == ["Aggregated", "1001"]
    exact.clear()
    assert list(csv.reader(exact.to_csv().splitlines()))[1][3] == "N/A"


def test_a_cell_is_never_a_formula() -> None:
    assert [cell(text)[0] for text in ("=1", "+1", "-1", "@a", "\t=1", "\r=1")] == ["'"] * 6


def test_an_answer_that_drips_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.send(b"#")
            time.sleep(0.02)

    monkeypatch.setattr("loadlab.load.locust_plugins.site_metrics.TIMEOUT_SECONDS", 0.3)
    past = History()
    with Server(drip) as server:
        look(past, f"http://127.0.0.1:{server.port}/metrics", None)
    assert past.looks[-1].fault == LATE
