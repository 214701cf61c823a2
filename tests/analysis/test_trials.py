"""A trial's scalars are those of its window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from every import every
from factories.trials import WARMUP, Behaviour, case, trial

from loadlab.analysis.trials import summarise
from loadlab.model.requests import Requests
from loadlab.model.samples import Series


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
    summary = summarise(replace(trial(case(), behaviour=Behaviour(opened=0, reused=0, held=0)), requests=empty))
    assert (summary.requests, summary.opens_per_request, summary.cpu_seconds_per_request) == (0, None, None)


def test_cpu_is_given_per_request_of_the_window() -> None:
    summary = summarise(trial(case(), behaviour=Behaviour(requests=400, generator_cpu=0.8)))
    assert summary.cpu_seconds_per_request is not None
    assert summary.cpu_seconds_per_request.generator == pytest.approx(0.002)


@every(("opened", "reused", "opens"), [(100, 300, 0.25), (15, 0, 1.0), (0, 40, 0.0), (0, 0, None), (1200, 0, 1.0)])
@every("requests", [11, 400])  # those that ended in the window do not matter
def test_opens_per_request_come_from_the_ledger_alone(
    opened: int, reused: int, opens: float | None, requests: int
) -> None:
    behaviour = Behaviour(requests=requests, opened=opened, reused=reused)
    assert summarise(trial(case(), behaviour=behaviour)).opens_per_request == opens


def test_opens_per_request_are_those_of_the_window() -> None:
    base = trial(case(), behaviour=Behaviour(opened=10, reused=50))
    connections = replace(base.connections, window_start=replace(base.connections.window_start, opened=8, reused=12))
    assert summarise(replace(base, connections=connections)).opens_per_request == 0.05


def test_cpu_of_a_database_elsewhere_stays_unknown() -> None:
    base = trial(case())
    summary = summarise(replace(base, cpu_seconds=replace(base.cpu_seconds, database=None)))
    assert summary.cpu_seconds_per_request is not None
    assert summary.cpu_seconds_per_request.database is None


@every(("backends", "own", "left_open", "peak"), [([1, 9, 2], [1, 4, 2], 2, 9), ([1], [7], 0, 7), ([], [], 5, 5)])
def test_the_peak_is_the_most_that_anyone_saw(
    backends: list[float], own: list[float], left_open: int, peak: int
) -> None:
    base = trial(case())
    seen = Series(at=[float(i) for i in range(len(own))], values={"backends": backends, "open": own})
    connections = replace(base.connections, left_open=left_open)
    assert summarise(replace(base, series=seen, connections=connections)).peak == peak
