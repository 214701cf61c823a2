"""Trials under an open load: windows by when requests were due, latency from then, service beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from factories.plain import trial as a_trial

from loadlab.analysis.arms import MeasuredTrial, arm
from loadlab.analysis.caveats import _busy_generator, _idle_users
from loadlab.analysis.trials import summarise
from loadlab.model.caveats import CaveatKind
from loadlab.model.condition import OpenLoad, varying
from loadlab.model.labels import condition_label
from loadlab.model.requests import Requests

if TYPE_CHECKING:
    from loadlab.model.samples import Trial

LOAD = OpenLoad(rate=100, arrivals="uniform")
NAN = float("nan")


def opened(*, lag_seconds: float = 0.001, service_seconds: float = 0.01, dropped: tuple[float, ...] = ()) -> Trial:
    """Ten seconds of it, of which the second up to the ninth are the window."""
    due = np.arange(1000) / 100
    sent = due + lag_seconds
    ended = sent + service_seconds
    plain = a_trial()
    return replace(
        plain,
        case=replace(plain.case, open_load=LOAD, users=64),
        window_start=1.0,
        window_end=9.0,
        requests=Requests(
            ended=ended, response=ended - due, failed=np.zeros(1000), due=due, sent=sent, dropped=dropped
        ),
        failures=(),
        busy=(0.3, 0.95),
    )


def test_latency_counts_from_due_and_service_time_from_sent() -> None:
    summary = summarise(opened(lag_seconds=0.5, service_seconds=0.01))
    assert summary.requests == 800
    assert summary.latency_seconds.p50 == pytest.approx(0.51)
    assert summary.service_seconds is not None
    assert summary.service_seconds.p50 == pytest.approx(0.01)
    assert summary.send_lag_p99_seconds == pytest.approx(0.5)


def test_the_window_of_an_open_load_counts_by_due_time() -> None:
    summary = summarise(opened(service_seconds=100.0))
    assert summary.requests == 800
    assert summary.latency_seconds.p99 == pytest.approx(100.001)


def test_a_request_without_arrival_is_in_the_window_by_its_sending() -> None:
    whole = opened()
    due = np.where(np.arange(1000) % 2 == 0, NAN, whole.requests.due)
    summary = summarise(replace(whole, requests=replace(whole.requests, due=due)))
    assert summary.requests == pytest.approx(800, abs=1)
    assert summary.send_lag_p99_seconds == pytest.approx(0.001)


def test_drops_are_counted_within_the_window() -> None:
    assert summarise(opened(dropped=(0.5, 1.0, 8.9, 9.0))).dropped == 2


def test_a_closed_load_has_neither_service_nor_lag_nor_drops() -> None:
    summary = summarise(a_trial())
    assert (summary.service_seconds, summary.send_lag_p99_seconds, summary.dropped) == (None, None, 0)


def test_an_arm_of_an_open_load_shows_service_beside_the_response() -> None:
    trial = opened(lag_seconds=0.09)
    summed = arm(trial.case, [MeasuredTrial(trial=trial, summary=summarise(trial))])
    assert summed.p95_seconds is not None
    assert summed.p95_seconds.value == pytest.approx(0.1)
    assert summed.service is not None
    assert summed.service.p95_seconds is not None
    assert summed.service.p95_seconds.value == pytest.approx(0.01)


def test_littles_law_is_not_asked_of_users_who_wait_for_an_arrival() -> None:
    trial = opened()
    assert not list(_idle_users([MeasuredTrial(trial=trial, summary=summarise(trial))]))


def test_the_busiest_load_process_is_named_and_not_the_sum_of_all() -> None:
    trial = opened()
    (caveat,) = _busy_generator([MeasuredTrial(trial=trial, summary=summarise(trial))])
    assert (caveat.kind, caveat.figures["share"]) == (CaveatKind.GENERATOR_BUSY, pytest.approx(0.95))
    calm = replace(trial, busy=(0.6, 0.7))
    assert not list(_busy_generator([MeasuredTrial(trial=calm, summary=summarise(calm))]))


def test_groups_at_several_rates_are_told_apart_by_them() -> None:
    case = opened().case
    faster = replace(case, open_load=OpenLoad(rate=250, arrivals="uniform"))
    groups = [case.group, faster.group]
    assert [condition_label(group, varying(groups)) for group in groups] == [
        "sync with 100/s, uniform",
        "sync with 250/s, uniform",
    ]
