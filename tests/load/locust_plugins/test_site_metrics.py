"""What is made of a site's metrics: rates, restarts, faults, and the table and download that show them."""

from __future__ import annotations

import csv
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import Server

from loadlab.load.locust_plugins.exact_percentiles import PERCENTILES, ExactPercentiles, cell, percentiles
from loadlab.load.locust_plugins.site_metrics import TOKEN_VARIABLE, History, look
from loadlab.load.locust_plugins.site_table import rows, series, trend
from loadlab.model.counts import ConnectionCounts
from loadlab.model.reading import Reading
from loadlab.scrape import understood

if TYPE_CHECKING:
    from collections.abc import Callable

    from peers import Peer

INFO = 'loadlab_build_info{version="0",django="5",python="3"} 1.0\n'


SITE = ("default", "")


def reading(at: float, **aliases: ConnectionCounts) -> Reading:
    return Reading(at=at, hosts={alias: {"": counts} for alias, counts in aliases.items()})


def history(*looks: ConnectionCounts | None, looks_kept: int = 100) -> History:
    """A look every two seconds; None is one that failed."""
    past = History(looks_kept)
    for number, counts in enumerate(looks):
        if counts is None:
            past.miss("does not answer: refused", at=2.0 * number)
        else:
            past.add(reading(2.0 * number, default=counts), at=2.0 * number)
    return past


def counts(open_now: int = 0, **counters: Any) -> ConnectionCounts:
    return ConnectionCounts(open=open_now, **counters)


def table(past: History) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["alias"], row["figure"]): row for row in rows(past)}


def test_rates_are_per_second_between_two_looks() -> None:
    shown = table(history(counts(opened=10), counts(3, opened=20, reused=30, first_uses=10)))
    assert shown["default", "opened/s"]["now"] == "5.0"
    assert shown["default", "requests that reused one"]["now"] == "75.0%"
    assert shown["default", "open"]["now"] == "3"


def test_over_looks_that_failed_a_rate_is_the_mean() -> None:
    shown = table(history(counts(opened=0), None, None, counts(opened=12)))
    assert shown["default", "opened/s"]["now"] == "2.0"


def test_after_a_restart_counters_count_from_0_and_nothing_is_negative() -> None:
    past = history(counts(opened=100, reused=50), counts(opened=110, reused=55), counts(opened=4, reused=60))
    assert past.looks[-1].restarted
    assert past.restarts == 1
    # `reused` is greater than before, but it began anew together with `opened`.
    assert past.looks[-1].grown[SITE] == counts(opened=4, reused=60)
    assert past.sums[SITE] == counts(opened=14, reused=65)
    assert table(past)["", "metrics"]["now"].endswith("counters were reset 1×")


def test_an_alias_that_goes_and_comes_again_is_a_restart_and_not_a_jump() -> None:
    past = History()
    past.add(reading(0, default=counts(opened=100)), at=0)
    past.add(reading(2), at=2)
    past.add(reading(4, default=counts(opened=1)), at=4)
    assert past.restarts == 1
    assert past.sums[SITE] == counts(opened=1)


def test_an_alias_that_one_look_misses_has_not_begun_anew() -> None:
    past = History()
    past.add(reading(0, default=counts(opened=1000, reused=50)), at=0)
    past.add(reading(2), at=2)
    past.add(reading(4, default=counts(opened=1010)), at=4)
    past.add(reading(6, default=counts(opened=1020, reused=80)), at=6)
    assert past.restarts == 0
    assert past.sums[SITE] == counts(opened=20, reused=30)


def test_an_alias_that_comes_into_use_counts_from_0() -> None:
    past = History()
    past.add(reading(0), at=0)
    past.add(reading(2, default=counts(opened=7)), at=2)
    assert past.sums[SITE] == counts(opened=7)


def federation(at: float, **hosts: ConnectionCounts) -> Reading:
    return Reading(at=at, hosts={"default": {f"instance={name}": one for name, one in hosts.items()}})


def test_leaked_connections_have_a_row_where_the_site_tells_holders() -> None:
    past = history(counts(3, holders={"idle": 3}), counts(9, holders={"idle": 3, "leaked": 6}))
    shown = table(past)
    assert (shown["default", "open"]["now"], shown["default", "leaked"]["now"]) == ("9", "6")
    assert [value for _, _, figure, value in series(past) if figure == "leaked"] == [6]
    earlier = table(history(counts(3), counts(9, holders={"unknown": 9})))
    assert ("default", "leaked") not in earlier


def test_each_host_of_a_federation_has_separate_rows() -> None:
    past = History()
    for at in (0, 2):
        past.add(federation(at, a=counts(4), b=counts(7)), at=at)
    shown = table(past)
    assert shown["default (instance=a)", "open"]["now"] == "4"
    assert shown["default (instance=b)", "open"]["now"] == "7"


def test_what_a_host_counted_before_it_joins_does_not_count() -> None:
    past = History()
    past.add(federation(0, a=counts(opened=10)), at=0)
    past.add(federation(2, a=counts(opened=11), c=counts(opened=9000)), at=2)
    past.add(federation(4, a=counts(opened=12), c=counts(opened=9005)), at=4)
    assert past.sums["default", "instance=c"].opened == 5


def test_one_host_that_is_restarted_leaves_the_others_alone() -> None:
    past = History()
    past.add(federation(0, a=counts(opened=10), b=counts(opened=500)), at=0)
    past.add(federation(2, a=counts(opened=1), b=counts(opened=501)), at=2)
    assert (past.restarts, past.sums["default", "instance=a"].opened) == (1, 1)
    assert past.sums["default", "instance=b"].opened == 1


def test_the_history_is_bounded_and_the_sums_are_of_all_looks() -> None:
    past = history(*(counts(opened=number) for number in range(50)), looks_kept=10)
    assert len(past.looks) == 10
    assert past.sums[SITE].opened == 49


def test_the_table_says_since_when_the_metrics_cannot_be_read_and_why() -> None:
    shown = table(history(counts(1), counts(1), None, None))
    assert shown["", "metrics"]["now"].startswith("not read since ")
    assert shown["", "metrics"]["now"].endswith("the address does not answer: refused")
    assert shown["", "metrics"]["trend"] == "··✗✗"
    assert shown["default", "open"]["now"] == "–"


def test_the_table_has_a_row_per_reason_with_sums_since_the_start() -> None:
    past = History()
    for at, closed in enumerate(({}, {"max_age": 4}, {"max_age": 4})):
        past.add(reading(at, default=counts(2, closed=closed)), at=at)
    row = table(past)["default", "closed/s: max_age"]
    assert (row["now"], row["total"], row["trend"], row["range"]) == ("0.0", "4", " █▁", "0.0 – 4.0")
    assert table(past)["default", "requests that reused one"]["now"] == "–"


def test_failed_connects_stand_out_in_red() -> None:
    past = History()
    for at, failed in enumerate(({}, {"too_many_connections": 4})):
        past.add(reading(at, default=counts(2, connect_errors=failed)), at=at)
    assert table(past)["default", "🔴 failed connects/s: too_many_connections"]["now"] == "4.0"


def test_rows_come_in_the_order_of_their_names_by_which_locust_sorts_them() -> None:
    names = [row["name"] for row in rows(history(counts(opened=1), counts(opened=2)))]
    assert names == sorted(names)
    assert len(set(names)) == len(names) > 3


def test_nothing_seen_yet_is_said() -> None:
    (row,) = rows(History())
    assert row["now"] == "not read yet"
    assert list(series(History())) == []


def test_other_metrics_of_the_project_are_passed_over_unread() -> None:
    text = "no metric { at all\n" * 3 + INFO + 'loadlab_db_connections_open{alias="default"} 2.0\n'
    assert understood(text, "http://site/metrics").counts("default").open == 2


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


def fault_of(talk: Callable[[Peer], None]) -> str:
    past = History()
    with Server(talk) as server:
        look(past, f"http://127.0.0.1:{server.port}/metrics", None)
    return past.looks[-1].fault


def saying(answer: bytes) -> Callable[[Peer], None]:
    def talk(peer: Peer) -> None:
        peer.request()
        peer.send(answer)

    return talk


def test_an_answer_that_drips_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.send(b"#")
            time.sleep(0.02)

    monkeypatch.setattr("loadlab.load.locust_plugins.site_metrics.TIMEOUT_SECONDS", 0.3)
    assert fault_of(drip) == "did not answer completely within 0.3 s"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            "up 1\n",
            "has metrics, but none of loadlab's: add 'loadlab.instrumentation' to INSTALLED_APPS of the project",
        ),
        ("<html>", "answers, but not in Prometheus' text format"),
        (f"{INFO}loadlab_x{{y\n", "answers, but not in Prometheus' text format"),
        (f'{INFO}loadlab_db_connections_open{{alias="a"}} NaN\n', "which is not a count"),
        (f"{INFO}loadlab_db_connections_open 2\n", "has no label 'alias' there"),
    ],
)
def test_what_cannot_be_read_is_a_fault_with_its_reason(body: str, fault: str) -> None:
    assert fault in fault_of(saying(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()))


def test_a_refusal_names_the_variable_that_holds_the_token() -> None:
    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    assert fault_of(saying(refused)) == f"answers 401 Unauthorized; its token goes into {TOKEN_VARIABLE}"
