"""The catalogue's names and buckets: what a scrape and its dashboards rely on."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from loadlab.model.metrics import (
    AGE_SECONDS,
    CATALOGUE,
    HTTP_SECONDS,
    LAB_CATALOGUE,
    REQUESTS_PER_CONNECTION,
    RESPONSE_SECONDS,
    CloseReason,
    ConnectError,
)

MANUAL = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def test_the_manual_names_every_reason_to_close_and_kind_of_error() -> None:
    text = MANUAL.read_text(encoding="utf-8").partition("## Reasons and kinds")[2]
    reasons = re.findall(r"^\| `(\w+)` \|", text.partition("Kinds of connect errors")[0], re.MULTILINE)
    kinds = re.findall(r"`(\w+)`", text.partition("Kinds of connect errors")[2].partition("The error's code")[0])
    assert [reason.label for reason in CloseReason] == reasons
    assert [kind.label for kind in ConnectError] == kinds


def test_the_bounds_of_every_histogram_grow() -> None:
    bounds = {metric.name: metric.buckets for metric in (*CATALOGUE, *LAB_CATALOGUE) if metric.kind == "histogram"}
    assert [name for name, each in bounds.items() if not each or list(each) != sorted(set(each))] == []


def test_response_times_reach_from_250_microseconds_to_63_seconds() -> None:
    assert (RESPONSE_SECONDS[0], RESPONSE_SECONDS[-1]) == (0.00025, 63.0)
    assert max(above / below for below, above in pairwise(RESPONSE_SECONDS)) < 1.3


def test_request_times_reach_from_500_microseconds_to_30_seconds() -> None:
    assert (HTTP_SECONDS[0], HTTP_SECONDS[-1]) == (0.0005, 30.0)


def test_ages_that_people_set_are_bounds() -> None:
    assert {5.0, 30.0, 60.0, 600.0, 3600.0} <= set(AGE_SECONDS)


def test_a_connection_that_served_no_request_or_one_is_told_apart() -> None:
    assert REQUESTS_PER_CONNECTION[:3] == (0.0, 1.0, 2.0)
