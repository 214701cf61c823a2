"""A trial's scalars are those of its window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from loadlab.analysis.trials import leaks, summarise
from loadlab.model.samples import Requests, Series

from .factories import WARMUP, Behaviour, case, trial


def test_warm_up_requests_are_not_counted() -> None:
    summary = summarise(trial(case(), behaviour=Behaviour(requests=400, seconds=2.0, response=0.01)))
    assert (summary.requests, summary.failures, summary.throughput) == (400, 0, 200.0)
    assert summary.latency_seconds.p50 == pytest.approx(0.01)


def test_the_window_includes_its_start_and_excludes_its_end() -> None:
    ended = [WARMUP - 0.001, WARMUP, WARMUP + 1, WARMUP + 2]
    requests = Requests(ended=ended, response=[1.0] * 4, failed=[0.0] * 4)
    assert summarise(replace(trial(case()), requests=requests)).requests == 2


def test_throughput_and_latency_are_those_of_successes() -> None:
    base = trial(case())
    requests = Requests(
        ended=[WARMUP + i / 10 for i in range(16)], response=[9.0] * 8 + [0.1] * 8, failed=[1.0] * 8 + [0.0] * 8
    )
    summary = summarise(replace(base, requests=requests))
    assert (summary.requests, summary.failures, summary.throughput) == (16, 8, 4.0)
    assert summary.latency_seconds.p50 == pytest.approx(0.1)


def test_requests_without_answer_are_part_of_the_percentiles() -> None:
    """They waited at least that long; what failed at once did not wait, and would flatter."""
    count = 400
    requests = Requests(
        ended=[WARMUP + 2 * number / count for number in range(count)],
        response=[0.0001] * 40 + [0.1] * 340 + [10.0] * 20,
        failed=[1.0] * 40 + [0.0] * 340 + [1.0] * 20,
        no_answer=[380.0 + number for number in range(20)],
    )
    summary = summarise(replace(trial(case()), requests=requests))
    assert (summary.requests, summary.failures, summary.throughput) == (count, 60, 170.0)
    waited = np.sort([0.1] * 340 + [10.0] * 20)
    assert summary.latency_seconds.p50 == pytest.approx(0.1)
    assert summary.latency_seconds.p95 == pytest.approx(np.quantile(waited, 0.95))
    assert summary.latency_seconds.p95 == 10.0
    assert summary.latency_seconds.p99 == pytest.approx(10.0)


def test_a_trial_in_which_all_fails_has_no_latency() -> None:
    summary = summarise(trial(case(), behaviour=Behaviour(requests=400, failed=400)))
    assert summary.throughput == 0
    assert summary.latency_seconds.p50 is None


def test_a_trial_without_requests_has_nothing_per_request() -> None:
    empty = Requests(ended=[], response=[], failed=[])
    summary = summarise(replace(trial(case()), requests=empty))
    assert (summary.requests, summary.opens_per_request, summary.cpu_seconds_per_request) == (0, None, None)


def test_opened_and_cpu_are_given_per_request_of_the_window() -> None:
    summary = summarise(trial(case(), behaviour=Behaviour(requests=400, opened=100, generator_cpu=0.8)))
    assert summary.opens_per_request == 0.25
    assert summary.cpu_seconds_per_request is not None
    assert summary.cpu_seconds_per_request.generator == pytest.approx(0.002)


def test_cpu_of_a_database_elsewhere_stays_unknown() -> None:
    base = trial(case())
    summary = summarise(replace(base, cpu_seconds=replace(base.cpu_seconds, database=None)))
    assert summary.cpu_seconds_per_request is not None
    assert summary.cpu_seconds_per_request.database is None


@pytest.mark.parametrize(
    ("backends", "own", "left_open", "peak"), [([1, 9, 2], [1, 4, 2], 2, 9), ([1], [7], 0, 7), ([], [], 5, 5)]
)
def test_the_peak_is_the_most_that_anyone_saw(
    backends: list[float], own: list[float], left_open: int, peak: int
) -> None:
    base = trial(case())
    seen = Series(at=[float(i) for i in range(len(own))], values={"backends": backends, "open": own})
    connections = replace(base.connections, left_open=left_open)
    assert summarise(replace(base, series=seen, connections=connections)).peak == peak


@pytest.mark.parametrize(("held", "leaking"), [(8, False), (14, False), (15, True), (90, True)])
def test_a_leak_is_more_than_half_as_many_again_as_usable_and_two(held: int, leaking: bool) -> None:  # noqa: FBT001
    assert leaks(trial(case(usable=8), behaviour=Behaviour(held=held, opened=held))) is leaking


def test_backends_that_are_still_exiting_are_no_leak() -> None:
    base = trial(case(usable=2))
    seen = Series(at=[0.0, 0.1], values={"backends": [40.0, 40.0], "open": [2.0, 2.0]})
    assert not leaks(replace(base, series=seen))


def test_connections_left_open_are_a_leak_even_if_no_sample_caught_them() -> None:
    base = trial(case(usable=2))
    assert not leaks(base)
    assert leaks(replace(base, connections=replace(base.connections, left_open=40)))
