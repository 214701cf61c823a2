"""A process that begins folds those that have ended: a scrape finds few files, and every count stays exact."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest
from patience import await_that

from loadlab.instrumentation import current
from loadlab.instrumentation.archive import Archive
from loadlab.instrumentation.configuration import DIRECTORY_VARIABLE
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.ledger_file import LEDGERS
from loadlab.instrumentation.request_totals import RequestTotals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.process

SEED = 2013


def child(work: Callable[[], object]) -> int:
    """The pid of a forked process that does the work and ends."""
    pid = os.fork()
    if not pid:
        work()
        os._exit(0)
    return pid


def ended(folder: Path, connections: int = 1) -> None:
    """A process that opens connections and ends without closing them."""

    def work() -> None:
        ledger = Ledger(folder)
        for _ in range(connections):
            ledger.connecting("default").opened()

    os.waitpid(child(work), 0)


def opened(folder: Path) -> int:
    return CounterSet(folder).read().aliases["default"].opened


def files(folder: Path) -> int:
    return len(list(folder.glob("*.ledger")))


def test_a_fold_moves_some_and_a_reading_counts_all(ledgers: Path) -> None:
    for connections in range(1, 6):
        ended(ledgers, connections)
    Archive(ledgers, LEDGERS).fold(2)
    assert files(ledgers) == 3
    assert opened(ledgers) == 15
    assert files(ledgers) == 0


def test_a_fold_leaves_processes_that_live(ledgers: Path) -> None:
    ended(ledgers)
    Ledger(ledgers).connecting("default").opened()
    Archive(ledgers, LEDGERS).fold(8)
    snapshot = CounterSet(ledgers).read()
    assert (files(ledgers), snapshot.processes) == (1, 1)
    assert (snapshot.aliases["default"].opened, snapshot.aliases["default"].open) == (2, 1)


def test_a_fold_waits_for_no_reader(ledgers: Path) -> None:
    ended(ledgers)
    with (ledgers / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        Archive(ledgers, LEDGERS).fold(8)
        assert files(ledgers) == 1
    Archive(ledgers, LEDGERS).fold(8)
    assert (files(ledgers), opened(ledgers)) == (0, 1)


def test_a_fold_killed_before_removal_counts_nothing_twice(ledgers: Path) -> None:
    ended(ledgers, 4)
    (path,) = ledgers.glob("*.ledger")
    content = path.read_bytes()
    Archive(ledgers, LEDGERS).fold(1)
    for _ in range(3):
        path.write_bytes(content)  # as if the removal had not been reached
        ended(ledgers, 2)
        Archive(ledgers, LEDGERS).fold(1)
        assert files(ledgers) == 0
    assert opened(ledgers) == 4 + 3 * 2


@pytest.mark.parametrize("rounds", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_several_folds_killed_at_any_point_keep_counts_exact(ledgers: Path, rounds: int) -> None:
    chance = random.Random(SEED)

    def fold_for_ever() -> None:
        while True:
            Archive(ledgers, LEDGERS).fold(1)

    for round_ in range(rounds):
        folding = [child(fold_for_ever) for _ in range(2)]
        for _ in range(3):
            ended(ledgers)
        time.sleep(chance.uniform(0, 0.02))  # at any point: nothing is asserted of how far they came
        for pid in folding:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert opened(ledgers) == 3 * (round_ + 1)
    assert CounterSet(ledgers).read().damaged == 0
    assert files(ledgers) == 0


def test_workers_fold_those_before_them(ledgers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(ledgers))

    def work() -> None:
        current.ledger().connecting("default").opened()
        current.request_times().add("x/", "GET", 200, 1)

    for _ in range(12):
        os.waitpid(child(work), 0)
    # The last worker's, and those of a worker that began while another process had the lock.
    assert len(list(ledgers.iterdir())) <= len({"lock", "archive.json", "timesheets.json"}) + 2 * 2
    assert opened(ledgers) == 12
    assert RequestTotals(ledgers).read().requests == 12


def test_workers_that_end_together_are_folded_by_those_that_follow(
    ledgers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(ledgers))
    for _ in range(3 * current.FOLDED):
        ended(ledgers)

    def work() -> None:
        current.ledger()

    for _ in range(4):
        os.waitpid(child(work), 0)
    assert files(ledgers) <= current.FOLDED
    await_that(lambda: opened(ledgers) == 3 * current.FOLDED)
