"""What a load has come to so far: adding up piece by piece gives what counting all at once gives."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadlab.load.generator.request_counts import CountsWriter, RequestCounts, count_requests, read_counts
from loadlab.model.metrics import RESPONSE_SECONDS
from loadlab.model.requests import Requests

if TYPE_CHECKING:
    from pathlib import Path


class Growing:
    """Columns as the recorder's, which are appended to, the response time first."""

    def __init__(self) -> None:
        self.response = array("d")
        self.failed = array("d")
        self.requests = Requests(ended=(), response=self.response, failed=self.failed)

    def request(self, seconds: float, *, failed: bool = False) -> None:
        self.response.append(seconds)
        self.failed.append(float(failed))


@given(st.lists(st.floats(min_value=0, max_value=100)))
def test_each_time_is_in_the_bucket_of_the_least_bound_that_is_not_less(times: list[float]) -> None:
    buckets = [0] * (len(RESPONSE_SECONDS) + 1)
    for seconds in times:
        buckets[bisect_left(RESPONSE_SECONDS, seconds)] += 1
    assert count_requests(times, [0.0] * len(times)).buckets == tuple(buckets)


def test_counts_written_repeatedly_are_those_of_all_requests(tmp_path: Path) -> None:
    record, path = Growing(), tmp_path / "one.counts"
    writer = CountsWriter(record.requests, path)
    writer.write()
    assert read_counts([path]) == RequestCounts()
    for number in range(100):
        record.request(number / 1000, failed=number % 10 == 0)
        if number % 7 == 0:
            writer.write()
    writer.write()
    whole, written = count_requests(record.response, record.failed), read_counts([path])
    assert (written.requests, written.failures, written.buckets) == (100, 10, whole.buckets)
    assert written.seconds == pytest.approx(whole.seconds) == pytest.approx(4.95)


def test_a_request_that_is_half_recorded_is_counted_once_it_is_whole(tmp_path: Path) -> None:
    record, path = Growing(), tmp_path / "one.counts"
    record.response.append(0.5)
    writer = CountsWriter(record.requests, path)
    writer.write()
    before = read_counts([path]).requests
    record.failed.append(1.0)
    writer.write()
    assert (before, read_counts([path]).requests, read_counts([path]).failures) == (0, 1, 1)


def test_several_load_processes_are_added_up_as_far_as_they_have_written(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.counts" for number in range(3)]
    for path in paths[:2]:
        record = Growing()
        record.request(0.01)
        CountsWriter(record.requests, path).write()
    assert read_counts(paths).requests == 2
