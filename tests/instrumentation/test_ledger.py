"""The ledger: every count comes out of the file, even when the process is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_SECONDS

from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.layout import ALIAS_BYTES, ALIASES, ROWS_PER_SEGMENT
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.model.metrics import CloseReason, ConnectError

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.instrumentation.counters import Totals


def read(folder: Path, alias: str = "default") -> Totals:
    return CounterSet(folder).read().aliases[alias]


def test_a_connection_is_counted_from_its_first_attempt_to_its_end(ledgers: Path) -> None:
    ledger = Ledger(ledgers)
    row = ledger.connecting("default")
    assert (read(ledgers).unsettled, read(ledgers).opened) == (1, 0)
    row.opened()
    assert (read(ledgers).unsettled, read(ledgers).opened, read(ledgers).open) == (0, 1, 1)
    for _ in range(3):
        row.used()
    row.closed(CloseReason.MAX_AGE)
    totals = read(ledgers)
    assert (totals.opened, totals.open, totals.closed[CloseReason.MAX_AGE]) == (1, 0, 1)
    assert (totals.requests_opened, totals.requests_reused, totals.requests) == (1, 2, 3)


def test_only_the_first_close_of_a_connection_counts(ledgers: Path) -> None:
    row = Ledger(ledgers).connecting("default")
    row.opened()
    row.closed(CloseReason.EXPLICIT)
    row.closed(CloseReason.GARBAGE_COLLECTED)
    assert sum(read(ledgers).closed.values()) == 1
    assert read(ledgers).closed[CloseReason.EXPLICIT] == 1


def test_a_late_close_does_not_touch_the_connection_that_took_the_row_over(ledgers: Path) -> None:
    ledger = Ledger(ledgers)
    first = ledger.connecting("default")
    first.opened()
    first.closed(CloseReason.EXPLICIT)
    second = ledger.connecting("default")
    second.opened()
    first.closed(CloseReason.GARBAGE_COLLECTED)
    assert read(ledgers).open == 1


def test_a_failed_attempt_is_an_error_and_no_connection(ledgers: Path) -> None:
    Ledger(ledgers).connecting("default").failed(ConnectError.TOO_MANY_CONNECTIONS)
    totals = read(ledgers)
    assert totals.connect_errors[ConnectError.TOO_MANY_CONNECTIONS] == 1
    assert (totals.opened, totals.unsettled) == (0, 0)


def test_each_reason_to_close_and_each_kind_of_error_counts_by_itself(ledgers: Path) -> None:
    ledger = Ledger(ledgers)
    for times, reason in enumerate(CloseReason, 1):
        for _ in range(times):
            row = ledger.connecting("default")
            row.opened()
            row.closed(reason)
    for times, kind in enumerate(ConnectError, 1):
        for _ in range(times):
            ledger.connecting("default").failed(kind)
    counts = read(ledgers).counts
    assert counts.closed == {reason.label: times for times, reason in enumerate(CloseReason, 1)}
    assert counts.connect_errors == {kind.label: times for times, kind in enumerate(ConnectError, 1)}
    assert (counts.opened, counts.open) == (45, 0)


def test_rows_are_reused_and_their_counts_kept(ledgers: Path) -> None:
    ledger = Ledger(ledgers)
    closes = len(CloseReason) * ROWS_PER_SEGMENT
    for number in range(closes):
        row = ledger.connecting("default")
        row.opened()
        row.used()
        row.closed(CloseReason(number % len(CloseReason)))
    totals = read(ledgers)
    assert totals.opened == closes
    assert totals.requests == totals.opened
    assert set(totals.closed.values()) == {ROWS_PER_SEGMENT}
    assert sum(totals.connect_buckets) == totals.opened
    assert sum(totals.request_buckets) == totals.opened


def test_the_file_grows_when_a_segment_is_full_of_open_connections(ledgers: Path) -> None:
    ledger = Ledger(ledgers)
    for _ in range(2 * ROWS_PER_SEGMENT + 1):
        ledger.connecting("default").opened()
    assert read(ledgers).open == 2 * ROWS_PER_SEGMENT + 1


def test_aliases_are_kept_apart_and_those_beyond_the_capacity_together(ledgers: Path) -> None:
    ledger = Ledger(ledgers)
    for number in range(ALIASES + 5):
        ledger.connecting(f"replica-{number}").opened()
    aliases = CounterSet(ledgers).read().aliases
    assert len(aliases) == ALIASES
    assert aliases["replica-0"].open == 1
    assert aliases["other"].open == 6


def test_threads_lose_no_count(ledgers: Path) -> None:
    ledger = Ledger(ledgers)

    def work() -> None:
        for _ in range(500):
            row = ledger.connecting("default")
            row.opened()
            row.used()
            row.closed(CloseReason.REQUEST_END)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    totals = read(ledgers)
    assert (totals.opened, totals.open, totals.requests) == (4000, 0, 4000)


def test_a_reader_never_sees_a_count_go_back_while_rows_are_moved(ledgers: Path) -> None:
    ledger = Ledger(ledgers)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            row = ledger.connecting("default")
            row.opened()
            row.closed(CloseReason.REQUEST_END)
            time.sleep(0)  # or the reader would wait for this thread at each step

    writer = threading.Thread(target=work)
    writer.start()
    try:
        counts = [CounterSet(ledgers).read().aliases for _ in range(300)]
    finally:
        stop.set()
        writer.join()
    opened = [aliases["default"].opened for aliases in counts if aliases]
    assert opened == sorted(opened)
    assert opened[-1] > opened[0]


CHURN = """
import sys
from pathlib import Path
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.model.metrics import CloseReason
ledger = Ledger(Path(sys.argv[1]))
kept = []
count = 0
while True:
    row = ledger.connecting("default")
    row.opened()
    count += 1
    if count % 7:
        row.closed(CloseReason.REQUEST_END)
    elif len(kept) < 50:
        kept.append(row)
    else:
        kept.pop(0).closed(CloseReason.EXPLICIT)
        kept.append(row)
    sys.stdout.write(f"{count}\\n")
    sys.stdout.flush()
"""


@pytest.mark.process
@pytest.mark.parametrize("seed", range(12))
def test_sigkill_at_any_moment_loses_no_connection(ledgers: Path, seed: int) -> None:
    """The victim says each count after it has opened; a death may fall between the two, so one more is right too."""
    with subprocess.Popen([sys.executable, "-c", CHURN, str(ledgers)], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        victim.stdout.readline()
        reader = threading.Thread(target=lambda: lines.extend(victim.stdout or ()))
        lines: list[bytes] = []
        reader.start()
        time.sleep(0.02 + random.Random(seed).random() * 0.1)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        reader.join()
    said = int([line for line in lines if line.endswith(b"\n")][-1])
    totals = read(ledgers)
    assert totals.opened + totals.unsettled - said in {0, 1}
    assert totals.open == 0
    assert totals.opened == sum(totals.closed.values())


@pytest.mark.process
def test_what_a_dead_process_left_open_has_closed_by_process_exit(ledgers: Path) -> None:
    child = os.fork()
    if not child:
        ledger = Ledger(ledgers)
        for _ in range(3):
            ledger.connecting("default").opened()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    totals = read(ledgers)
    assert (totals.opened, totals.open, totals.closed[CloseReason.PROCESS_EXIT]) == (3, 0, 3)
    assert sum(totals.age_buckets) == 0


INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.instrumentation.request_times import RequestTimes
from loadlab.model.metrics import CloseReason

ledger, sheet = Ledger(Path(sys.argv[1])), RequestTimes(Path(sys.argv[1]))
handled = begun = 0

def use(alias, number):
    row = ledger.connecting(alias)
    row.opened()
    row.used()
    if number % 3:
        row.closed(CloseReason.EXPLICIT)
    sheet.add(f"{number % 50}/", "GET", 200, 1)

def handle(*_):
    global handled
    use("handler" if handled % 2 else "default", handled)
    handled += 1

def traced(frame, event, argument):
    # At every line of the ledger and of the timesheet, as often as there is patience for.
    if frame.f_globals.get("__name__", "").startswith("loadlab.instrumentation") and handled < 1500:
        sys.settrace(None)
        frame.f_trace = None
        handle()
        frame.f_trace = traced
        sys.settrace(traced)
    return traced

if sys.argv[2] == "signal":
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
else:
    sys.settrace(traced)
while handled < 1500:
    use("default", begun)
    begun += 1
signal.setitimer(signal.ITIMER_REAL, 0)
sys.settrace(None)
print(handled + begun)
"""


@pytest.mark.process
@pytest.mark.parametrize("by", ["signal", "trace"])
def test_what_opens_a_connection_while_one_is_opened_is_counted_too(ledgers: Path, by: str) -> None:
    argv = [sys.executable, "-c", INTERRUPTED, str(ledgers), by]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr
    totals = CounterSet(ledgers).read().of(["default", "handler"])
    assert totals.opened == sum(totals.closed.values()) == totals.requests_opened == int(done.stdout)
    assert totals.unsettled == 0
    assert RequestTotals(ledgers).read().requests == int(done.stdout)


RAISING = """
import signal, sys
from pathlib import Path
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.model.metrics import CloseReason

class TimeUp(Exception): ...

def handle(*_):
    raise TimeUp

ledger = Ledger(Path(sys.argv[1]))
signal.signal(signal.SIGALRM, handle)
opened = cut = 0
while cut < 400:
    row = None
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        while True:
            row = ledger.connecting("default")
            row.opened()
            opened += 1
            row.closed(CloseReason.EXPLICIT)
    except TimeUp:
        cut += 1
    if row is not None:
        row.closed(CloseReason.EXPLICIT)
print(opened, cut)
"""


@pytest.mark.process
def test_an_exception_of_a_signal_s_handler_counts_nothing_twice(ledgers: Path) -> None:
    """Each may fall between an opening and the victim's own count of it, so that many more are right too."""
    argv = [sys.executable, "-c", RAISING, str(ledgers)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr
    opened, cut = map(int, done.stdout.split())
    totals = read(ledgers)
    assert opened <= totals.opened <= opened + cut
    assert totals.opened == sum(totals.closed.values())


def test_aliases_too_long_or_strange_for_a_name_stay_apart(ledgers: Path) -> None:
    ledger = Ledger(ledgers)
    aliases = ["x" * 127, "x" * 128, "x" * 200 + "1", "x" * 200 + "2", "é" * 100 + "1", "é" * 100 + "2"]
    aliases += ["a\0b", "a\0c", "a", "", "\ud800"]
    for times, alias in enumerate(aliases, 1):
        for _ in range(times):
            ledger.connecting(alias).opened()
    found = CounterSet(ledgers).read().aliases
    assert sorted(totals.opened for totals in found.values()) == list(range(1, len(aliases) + 1))
    assert found["x" * 127].opened == 1
    assert all(len(alias.encode()) < ALIAS_BYTES for alias in found)


def test_a_connection_found_open_counts_without_a_time_to_connect(ledgers: Path) -> None:
    row = Ledger(ledgers).found_open("default")
    assert (read(ledgers).opened, read(ledgers).open, sum(read(ledgers).connect_buckets)) == (1, 1, 0)
    row.closed(CloseReason.EXPLICIT)
    assert (sum(read(ledgers).age_buckets), sum(read(ledgers).connect_buckets)) == (1, 0)
    assert 0 <= read(ledgers).age_seconds < PATIENCE_SECONDS


def test_a_clock_that_stands_still_or_goes_back_gives_no_name_twice(
    ledgers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    monkeypatch.setattr(time, "time", lambda: 1.0)
    for _ in range(3):
        Ledger(ledgers).connecting("default").opened()
    assert read(ledgers).opened == 3
