"""Request times: no request is lost or counted twice when threads and processes die or files are damaged."""

from __future__ import annotations

import dis
import inspect
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from loadlab.instrumentation import request_times
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.request_times import NAMED_SERIES, RequestTimes
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.model.metrics import HTTP_METHODS, HTTP_SECONDS, OTHER, STATUS_CLASSES

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.instrumentation.request_totals import Answered

ENTRIES = ("entries/<int:number>/", "GET", "2xx")
ANSWERED = (*ENTRIES[:2], 200)
MS = 1_000_000


def counts(folder: Path) -> dict[tuple[str, str, str], int]:
    return {(one.route, one.method, one.status_class): one.requests for one in RequestTotals(folder).read().answered}


def status_of(status_class: str) -> int:
    """One of the class."""
    return request_times.NO_STATUS if status_class == OTHER else 100 * int(status_class[0]) + 4


def only(folder: Path) -> Answered:
    (one,) = RequestTotals(folder).read().answered
    return one


def generation(folder: Path, requests: int) -> None:
    """A process that answers requests and is killed."""
    child = os.fork()
    if not child:
        kept = RequestTimes(folder)
        for _ in range(requests):
            kept.add(*ANSWERED, 3 * MS)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_series_are_kept_apart_by_route_method_and_class_of_status(ledgers: Path) -> None:
    kept = RequestTimes(ledgers)
    series = [
        ENTRIES,
        ("entries/<int:number>/", "GET", "4xx"),
        ("entries/<int:number>/", "POST", "2xx"),
        ("/", *ENTRIES[1:]),
    ]
    for times, each in enumerate(series, 1):
        for _ in range(times):
            kept.add(*each[:2], status_of(each[2]), MS)
    assert counts(ledgers) == {each: times for times, each in enumerate(series, 1)}


def test_a_request_is_in_the_bucket_of_the_first_bound_above_it(ledgers: Path) -> None:
    kept = RequestTimes(ledgers)
    for seconds in HTTP_SECONDS:
        kept.add(*ANSWERED, round(seconds * 1e9))
        kept.add(*ANSWERED, round(seconds * 1e9) + 1)
    assert only(ledgers).buckets == (1, *[2] * (len(HTTP_SECONDS) - 1), 1)


def test_the_sum_is_exact(ledgers: Path) -> None:
    kept = RequestTimes(ledgers)
    for _ in range(1000):
        kept.add(*ANSWERED, 1)
    assert only(ledgers).seconds == pytest.approx(1e-6, rel=1e-12)


def test_threads_lose_no_request(ledgers: Path) -> None:
    kept = RequestTimes(ledgers)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=lambda: [kept.add(f"{number % 40}/", "GET", 200, MS) for number in range(2000)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert set(counts(ledgers).values()) == {8 * 50}
    assert RequestTotals(ledgers).read().requests == 16_000


def test_nothing_is_called_between_the_load_and_the_store_of_a_count() -> None:
    """Threads switch at calls and at jumps backwards, where there is a GIL."""
    source, first = inspect.getsourcelines(RequestTimes.add)
    counts_in = {number for number, line in enumerate(source, first) if line.strip().startswith("cells[")}
    code = dis.get_instructions(RequestTimes.add)
    names = {one.opname for one in code if one.positions and one.positions.lineno in counts_in}
    assert "STORE_SUBSCR" in names
    assert not [name for name in names if "CALL" in name or "JUMP" in name]


def test_a_signal_in_the_middle_of_counting_does_not_block(ledgers: Path) -> None:
    """The handler counts too, in the thread that holds the lock."""
    kept = RequestTimes(ledgers)
    signal.signal(signal.SIGUSR1, lambda *_: kept.add("handler/", "GET", 200, MS))
    try:
        with kept._mutex:
            os.kill(os.getpid(), signal.SIGUSR1)
            for _ in range(100):
                kept.add(*ANSWERED, MS)
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    assert counts(ledgers) == {ENTRIES: 100, ("handler/", "GET", "2xx"): 1}


def test_series_beyond_the_bound_count_as_other_by_method_and_class(ledgers: Path) -> None:
    kept = RequestTimes(ledgers)
    for number in range(NAMED_SERIES):
        kept.add(f"route-{number}/", "GET", 200, MS)
    for number in range(500):
        for method in (*HTTP_METHODS, OTHER):
            for status_class in (*STATUS_CLASSES, OTHER):
                kept.add(f"late-{number}/", method, status_of(status_class), MS)
    found = counts(ledgers)
    others = {series: count for series, count in found.items() if series[0] == OTHER}
    assert len(others) == (len(HTTP_METHODS) + 1) * (len(STATUS_CLASSES) + 1)
    assert set(others.values()) == {500}
    assert len(found) - len(others) == NAMED_SERIES
    assert len(kept._series) == request_times.SLOTS - request_times.GAP


def test_routes_too_long_are_cut_and_stay_apart_and_any_text_is_one(ledgers: Path) -> None:
    kept = RequestTimes(ledgers)
    for route in ("é" * 300 + "1", "é" * 300 + "2", "with spaces / and \n lines", "\udcff"):
        kept.add(route, "GET", 200, MS)
    found = counts(ledgers)
    assert sorted(found.values()) == [1, 1, 1, 1]
    assert ("with spaces / and \n lines", "GET", "2xx") in found
    assert all(
        len(f"{method} {status} {route}".encode()) <= request_times.NAME_BYTES for route, method, status in found
    )


@pytest.mark.process
def test_killed_processes_lose_nothing_and_leave_one_archive(ledgers: Path) -> None:
    for _ in range(30):
        generation(ledgers, 5)
    living = RequestTimes(ledgers)
    living.add(*ANSWERED, 3 * MS)
    first = only(ledgers)
    assert first.requests == 151
    assert first.seconds == pytest.approx(0.453)
    files = {path.suffix for path in ledgers.iterdir() if path.is_file()}
    assert (files, len(list(ledgers.iterdir()))) == ({".json", "", ".timesheet"}, 3)
    assert only(ledgers) == first


@pytest.mark.process
def test_a_reader_killed_before_removal_counts_nothing_twice(ledgers: Path) -> None:
    generation(ledgers, 4)
    (file,) = ledgers.glob("*.timesheet")
    content = file.read_bytes()
    RequestTotals(ledgers).read()
    file.write_bytes(content)  # as if the removal had not been reached
    assert RequestTotals(ledgers).read().requests == 4


@pytest.mark.process
def test_ledgers_and_request_times_share_a_folder(ledgers: Path) -> None:
    generation(ledgers, 4)
    assert CounterSet(ledgers).read().aliases == {}
    assert RequestTotals(ledgers).read().requests == 4


LONG = request_times.FILE_BYTES


@pytest.mark.process
@pytest.mark.parametrize("content", [b"", b"no request times", b"\0" * LONG, os.urandom(LONG), os.urandom(LONG + 8)])
def test_a_file_without_request_times_is_set_aside_and_counted(ledgers: Path, content: bytes) -> None:
    generation(ledgers, 1)
    (ledgers / "123-abc.timesheet").write_bytes(content)
    times = RequestTotals(ledgers).read()
    assert (times.requests, times.damaged) == (1, 1)
    assert (ledgers / "123-abc.damaged").exists()
    assert RequestTotals(ledgers).read() == times


@pytest.mark.process
@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (request_times.USED_CELL * 8, request_times.SLOTS + 1),
        (request_times.USED_CELL * 8, -1),
        (request_times.SLOTS_OFFSET + request_times.SLOT_BYTES, 1),  # a slot without a name
        (request_times.SLOTS_OFFSET, -1),  # a count below nothing
    ],
)
def test_request_times_that_no_process_writes_are_set_aside(ledgers: Path, offset: int, value: int) -> None:
    generation(ledgers, 1)
    (file,) = ledgers.glob("*.timesheet")
    content = bytearray(file.read_bytes())
    content[offset : offset + 8] = value.to_bytes(8, "little", signed=True)
    file.write_bytes(content)
    assert RequestTotals(ledgers).read().damaged == 1


@pytest.mark.process
def test_truncated_request_times_are_set_aside(ledgers: Path) -> None:
    generation(ledgers, 1)
    (file,) = ledgers.glob("*.timesheet")
    os.truncate(file, 5000)
    assert RequestTotals(ledgers).read().damaged == 1


@pytest.mark.process
@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 1, "damaged": 0, "archived": [], "cells": {"GET 2xx /": [1, 2]}}']
)
def test_a_damaged_archive_is_set_aside_and_counted(ledgers: Path, content: str) -> None:
    (ledgers / "timesheets.json").write_text(content)
    generation(ledgers, 2)
    times = RequestTotals(ledgers).read()
    assert (times.requests, times.damaged) == (2, 1)


CHURN = """
import sys
from pathlib import Path
from loadlab.instrumentation.request_times import RequestTimes
kept = RequestTimes(Path(sys.argv[1]))
count = 0
while True:
    kept.add(f"{count % 150}/", "GET", 200, 1000)
    count += 1
    sys.stdout.write(f"{count}\\n")
    sys.stdout.flush()
"""


@pytest.mark.process
@pytest.mark.parametrize("lines", [1, 80, 149, 700])
def test_sigkill_at_any_moment_loses_no_request(ledgers: Path, lines: int) -> None:
    """The victim says each count once it is in the file; a death may fall between the two, so one more is right."""
    with subprocess.Popen([sys.executable, "-c", CHURN, str(ledgers)], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        for _ in range(lines):
            victim.stdout.readline()
        victim.send_signal(signal.SIGKILL)
        rest = victim.stdout.read().splitlines(keepends=True)
    said = int([str(lines).encode(), *(line for line in rest if line.endswith(b"\n"))][-1])
    assert RequestTotals(ledgers).read().requests - said in {0, 1}
