"""Histograms: as exact as they say, nothing lost, and in the format that other tools read."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections import Counter
from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np
import pytest
from every import every
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlab.load.locust_plugins.histograms import (
    HELD_SECONDS,
    LONGEST_MICROSECONDS,
    MOST_TAGS,
    OTHERS,
    HistogramLog,
    Seconds,
    TimeSlice,
    _indexes,
    empty_histogram,
    histogram_of,
    merged,
    tag_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESPONSE = st.floats(min_value=0, max_value=3600)
RESPONSES = st.lists(RESPONSE, min_size=1, max_size=300)
PERCENTILES = (1.0, 50.0, 95.0, 99.0, 99.9, 100.0)


def by_rank(seconds: list[float], percentile: float) -> float:
    """The percentile of a sorted list, in microseconds; the rank is the one that HdrHistogram takes."""
    rank = max(1, int(percentile * len(seconds) / 100 + 0.5))
    return sorted(seconds)[rank - 1] * 1e6


def assert_agree(histogram: HdrHistogram, seconds: list[float]) -> None:
    for percentile in PERCENTILES:
        exact = by_rank(seconds, percentile)
        assert abs(histogram.get_value_at_percentile(percentile) - exact) <= exact / 1000 + 1


@given(RESPONSES)
@pytest.mark.thorough
def test_percentiles_are_those_of_the_sorted_times_to_a_thousandth(seconds: list[float]) -> None:
    histogram = histogram_of(seconds)
    assert histogram.get_total_count() == len(seconds)
    assert_agree(histogram, seconds)


@given(st.lists(st.integers(min_value=0, max_value=LONGEST_MICROSECONDS), min_size=1, max_size=200))
def test_every_value_is_counted_where_the_library_itself_would_count_it(values: list[int]) -> None:
    histogram = empty_histogram()
    ours = _indexes(histogram, np.array(values, dtype=np.int64)).tolist()
    assert ours == [histogram.get_counts_array_index(value) for value in values]


@given(st.lists(RESPONSES, min_size=1, max_size=8))
@settings(max_examples=30)
def test_merging_encoded_parts_gives_the_histogram_of_the_whole(parts: list[list[float]]) -> None:
    whole = [seconds for part in parts for seconds in part]
    total = merged(histogram_of(part).encode() for part in parts)
    assert Counter(total.counts) == Counter(histogram_of(whole).counts)
    assert_agree(total, whole)


def test_a_request_with_an_invalid_time_is_still_counted() -> None:
    histogram = histogram_of([-1.0, nan, inf, 1e9])
    assert histogram.get_total_count() == 4
    assert histogram.get_max_value() == histogram.get_highest_equivalent_value(LONGEST_MICROSECONDS)


def test_no_value_gives_an_empty_histogram() -> None:
    assert HdrHistogram.decode(histogram_of([]).encode()).get_total_count() == 0


def read_by_the_specification(text: bytes) -> Iterator[tuple[int, int]]:
    """(index of a bucket, its count) of a V2 text, by nothing but the format's description."""
    outer = base64.b64decode(text)
    cookie, length = struct.unpack(">II", outer[:8])
    assert (cookie & ~0xF0, length) == (0x1C849304, len(outer) - 8)
    inner = zlib.decompress(outer[8:])
    cookie, payload, offset, figures, lowest, highest, ratio = struct.unpack(">IIIIQQd", inner[:40])
    assert (cookie & ~0xF0, payload, offset, ratio) == (0x1C849303, len(inner) - 40, 0, 1.0)
    assert (figures, lowest, highest) == (3, 1, LONGEST_MICROSECONDS)
    index = position = 0
    counts = inner[40:]
    while position < len(counts):
        number = shift = 0
        for byte in counts[position : position + 9]:
            number |= (byte & 0x7F) << shift if shift < 56 else byte << shift
            shift, position = shift + 7, position + 1
            if byte < 0x80:
                break
        count = (number >> 1) ^ -(number & 1)
        if count > 0:
            yield index, count
        index += 1 if count > 0 else max(1, -count)


@given(RESPONSES)
@settings(max_examples=50)
def test_the_text_is_hdr_histogram_v2_by_the_specification(seconds: list[float]) -> None:
    histogram = histogram_of(seconds)
    expected = {index: count for index, count in enumerate(histogram.counts) if count}
    assert dict(read_by_the_specification(histogram.encode())) == expected


def test_the_seconds_of_a_name_become_one_interval_each() -> None:
    seconds = Seconds()
    for second, response in [(10, 0.1), (10, 0.2), (11, 0.3), (12, 0.4)]:
        seconds.add(second, "GET%20/", response)
    done = seconds.take_done()
    assert [(one.second, one.tag) for one in done] == [(10, "GET%20/"), (11, "GET%20/")]
    assert seconds.take_done() == []
    assert [one.second for one in seconds.take_all()] == [12]
    assert HdrHistogram.decode(done[0].histogram).get_total_count() == 2


def test_ten_thousand_names_are_bounded_and_none_of_their_requests_is_lost() -> None:
    seconds = Seconds()
    for number in range(10_000):
        seconds.add(1, tag_of("GET", f"/page/{number}", failed=False), 0.01)
    intervals = seconds.take_all()
    assert len(intervals) == MOST_TAGS + 1
    assert seconds.filed_under_others
    assert merged(one.histogram for one in intervals if one.tag == OTHERS).get_total_count() == 10_000 - MOST_TAGS
    assert merged(one.histogram for one in intervals).get_total_count() == 10_000


@every("name", ["a,b", "a b", "a\nb", 'a"b', "ä=1", "</script>", "\ud800"])
def test_a_tag_breaks_no_line_under_any_request_name(name: str) -> None:
    tag = tag_of("GET", name, failed=True)
    assert tag.isascii()
    assert not set(tag) & set(', \n\r"')


def log_of(tmp_path: Path, intervals: list[TimeSlice]) -> Path:
    text = io.StringIO()
    log = HistogramLog(text, 1_000_000_000.0)
    for interval in intervals:
        log.add([interval])
    log.finish()
    path = tmp_path / "latency.hlog"
    path.write_text(text.getvalue())
    return path


def intervals_of(path: Path) -> Iterator[HdrHistogram]:
    """As the library's own reader gives them."""
    reader = HistogramLogReader(str(path), empty_histogram())
    while (histogram := reader.get_next_interval_histogram()) is not None:
        yield histogram
    reader.close()


def test_the_same_second_reported_by_two_becomes_one_line_of_both(tmp_path: Path) -> None:
    second = 1_000_000_100
    one, other = histogram_of([0.1, 0.2]).encode(), histogram_of([0.3]).encode()
    found = list(intervals_of(log_of(tmp_path, [TimeSlice(second, "a", one), TimeSlice(second, "a", other)])))
    assert [(each.get_tag(), each.get_total_count()) for each in found] == [("a", 3)]
    assert found[0].get_start_time_stamp() == second * 1000
    assert found[0].get_end_time_stamp() == (second + 1) * 1000
    assert_agree(found[0], [0.1, 0.2, 0.3])


def test_a_second_that_is_reported_too_late_is_written_again_and_not_lost(tmp_path: Path) -> None:
    blob = histogram_of([0.1]).encode()
    seconds = [100, 100 + HELD_SECONDS + 1, 100]
    found = list(intervals_of(log_of(tmp_path, [TimeSlice(1_000_000_000 + second, "a", blob) for second in seconds])))
    assert sum(each.get_total_count() for each in found) == 3
    assert len(found) == 3
