"""What a scrape shows is what the files hold, in seconds and cumulated, whichever process wrote them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from loadlab.instrumentation import layout
from loadlab.instrumentation.collector import ConnectionCollector
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.request_times import RequestTimes
from loadlab.model.metrics import CloseReason, ConnectError

if TYPE_CHECKING:
    from pathlib import Path

MS: Final = 1_000_000
Samples = dict[tuple[str, tuple[str, ...]], float]


def scraped(folder: Path) -> Samples:
    """Every sample by its name and the values of its labels, in the order of their names; without build info."""
    registry = CollectorRegistry()
    registry.register(ConnectionCollector(folder))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if sample.name != "loadlab_build_info"
    }


def beginning(samples: Samples, name: str) -> dict[tuple[str, ...], float]:
    return {labels: value for (whose, labels), value in samples.items() if whose == name and value}


@pytest.fixture
def samples(ledgers: Path) -> Samples:
    ledger = Ledger(ledgers)
    for connect_ms in (3, 4):
        row = ledger.connecting("default")
        row.opened(connect_ms * MS)
        for _ in range(connect_ms):
            row.used()
    row.closed(CloseReason.MAX_AGE)
    ledger.connecting("replica").failed(ConnectError.REFUSED)
    ledger.connecting("default")
    pooled = ledger.connecting("pooled")
    pooled.opened(2 * MS)
    pooled.returned()
    ledger.waiting("pooled").lent()
    ledger.waiting("pooled")
    times = RequestTimes(ledgers)
    for duration_ms in (1, 2, 40):
        times.add("entries/", "GET", 200, duration_ms * MS)
    return scraped(ledgers)


def test_connections_are_shown_by_alias_reason_and_kind(samples: Samples) -> None:
    held = {("default", "in_use"): 1, ("pooled", "pool_idle"): 1}
    assert beginning(samples, "loadlab_db_connections_open") == held
    assert beginning(samples, "loadlab_db_connections_opened_total") == {("default",): 2, ("pooled",): 1}
    assert beginning(samples, "loadlab_db_connections_closed_total") == {("default", "max_age"): 1}
    assert beginning(samples, "loadlab_db_connect_errors_total") == {("replica", "refused"): 1}
    assert beginning(samples, "loadlab_db_connect_attempts_unsettled") == {("default",): 1}
    used = {("default", "opened"): 2, ("default", "reused"): 5}
    assert beginning(samples, "loadlab_db_requests_total") == used


def test_each_holder_is_shown_and_an_unknown_one_only_if_it_holds_any(samples: Samples, ledgers: Path) -> None:
    known = {"leaked", "outside", "in_use", "idle", "pool_idle"}
    assert {labels[1] for name, labels in samples if name == "loadlab_db_connections_open"} == known
    earlier = Ledger(ledgers)
    earlier._header[layout.HOLDERS_CELL] = 0
    earlier.connecting("default").opened()
    held = {("default", "in_use"): 1, ("default", "unknown"): 1, ("pooled", "pool_idle"): 1}
    assert beginning(scraped(ledgers), "loadlab_db_connections_open") == held


def test_only_an_alias_with_a_pool_has_a_pool_s_metrics(samples: Samples) -> None:
    assert beginning(samples, "loadlab_db_pool_size") == {("pooled",): 1}
    assert beginning(samples, "loadlab_db_pool_available") == {("pooled",): 1}
    assert beginning(samples, "loadlab_db_pool_waiting") == {("pooled",): 1}
    assert beginning(samples, "loadlab_db_pool_wait_seconds_count") == {("pooled",): 1}
    assert ("loadlab_db_pool_size", ("default",)) not in samples


def test_a_histogram_is_cumulated_and_its_sum_is_in_seconds(samples: Samples) -> None:
    connect = "loadlab_db_connect_duration_seconds"
    assert samples[f"{connect}_sum", ("default",)] == 0.007
    assert samples[f"{connect}_count", ("default",)] == 2
    counts = {le: samples[f"{connect}_bucket", ("default", le)] for le in ("0.002", "0.003", "0.005", "+Inf")}
    assert counts == {"0.002": 0, "0.003": 1, "0.005": 2, "+Inf": 2}
    served = "loadlab_db_connection_requests"
    assert samples[f"{served}_sum", ("default",)] == 4
    assert (samples[f"{served}_bucket", ("default", "2.0")], samples[f"{served}_bucket", ("default", "5.0")]) == (0, 1)


def test_request_times_are_shown_in_seconds_by_route(samples: Samples) -> None:
    name = "loadlab_http_request_duration_seconds"
    assert samples[f"{name}_sum", ("GET", "entries/", "2xx")] == 0.043
    bounds = {"0.001": 1, "0.0015": 1, "0.002": 2, "0.03": 2, "0.04": 3}
    assert {le: samples[f"{name}_bucket", (le, "GET", "entries/", "2xx")] for le in bounds} == bounds


def test_damaged_files_of_both_kinds_are_shown_together(ledgers: Path) -> None:
    (ledgers / "1.ledger").write_text("no ledger")
    for number in range(2):
        (ledgers / f"{number}.timesheet").write_text("no request times")
    assert scraped(ledgers)["loadlab_collector_errors_total", ()] == 3


def test_an_age_is_shown_in_seconds(ledgers: Path) -> None:
    cells = [0] * layout.ALIAS_CELLS
    cells[layout.AGE_AT + 12], cells[layout.AGE_SUM_US_AT] = 2, 95_500_000  # in the bucket up to a minute
    archive = {"version": layout.TOTALS_VERSION, "damaged": 0, "archived": [], "cells": {"default": cells}}
    (ledgers / "archive.json").write_text(json.dumps(archive))
    found = scraped(ledgers)
    age = "loadlab_db_connection_age_seconds"
    assert (found[f"{age}_sum", ("default",)], found[f"{age}_count", ("default",)]) == (95.5, 2)
    assert (found[f"{age}_bucket", ("default", "30.0")], found[f"{age}_bucket", ("default", "60.0")]) == (0, 2)
