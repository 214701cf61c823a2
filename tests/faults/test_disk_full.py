"""A disk without room stops counting where it has to, and never a request."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from every import every
from faulted import answered_after, assert_in_window, failed_at, planned, seen_through

from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.uncounted import mark, marked
from loadlab.model.metrics import CloseReason
from loadlab.plan.members import config_of
from loadlab.services.small_disk_handle import mountable, small_disk
from loadlab.strategies import STRATEGIES
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from laboratory import TrialRunner

    from loadlab.services.small_disk_handle import SmallDiskHandle

pytestmark = [pytest.mark.process, pytest.mark.skipif(not mountable(), reason="needs leave to mount")]
ENDING = """
import sys
from pathlib import Path
from loadlab.instrumentation.ledger import Ledger
Ledger(Path(sys.argv[1])).connecting("default").opened()
"""


@pytest.fixture(scope="module")
def register() -> Iterator[Register]:
    with Register.opened() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledgers"


@pytest.fixture
def disk(folder: Path, register: Register, tmp_path: Path) -> Iterator[SmallDiskHandle]:
    with small_disk(folder, register, tmp_path / "log") as made:
        yield made


def room(folder: Path) -> int:
    return os.statvfs(folder).f_bavail


def one_ends(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", ENDING, str(folder)], check=True)


def test_a_full_disk_takes_nothing_and_gives_nothing_back(disk: SmallDiskHandle, folder: Path) -> None:
    (folder / "before").write_bytes(bytes(100_000))
    assert room(folder)
    with disk.full():
        assert not room(folder)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            (folder / "more").write_bytes(bytes(100_000))
    (folder / "more").write_bytes(bytes(100_000))


def test_what_was_on_a_small_disk_stays_when_it_goes(folder: Path, register: Register, tmp_path: Path) -> None:
    with small_disk(folder, register, tmp_path / "log"):
        (folder / "kept").write_text("words")
        assert folder.is_symlink()
    assert not folder.is_symlink()
    assert (folder / "kept").read_text() == "words"


def test_a_ledger_without_room_keeps_what_it_counts_and_logs_once(
    disk: SmallDiskHandle, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(folder)
    counted = [ledger.connecting("default") for _ in range(512)]
    with disk.full():
        beyond = [ledger.connecting("default") for _ in range(1024)]
        for row in (*counted, *beyond):
            row.opened()
        for row in (*counted, *beyond):
            row.closed(CloseReason.EXPLICIT)
        snapshot = CounterSet(folder).read()
    assert (snapshot.damaged, snapshot.aliases["default"].closed[CloseReason.EXPLICIT]) == (0, 512)
    assert [one.getMessage().partition(":")[0] for one in caplog.records] == [
        "Connections beyond those open now are not counted"
    ]


def test_a_full_disk_still_takes_the_mark_of_a_process_that_is_not_counted(disk: SmallDiskHandle, folder: Path) -> None:
    with disk.full():
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            Ledger(folder)
        kept = mark(folder)
        assert marked(folder) == {os.getpid()}
    del kept


def test_counts_are_read_from_a_full_disk_as_from_any(disk: SmallDiskHandle, folder: Path) -> None:
    one_ends(folder)
    one_ends(folder)
    with disk.full():
        full = CounterSet(folder).read()
        assert full.aliases["default"].opened == 2
        assert list(folder.glob("*.ledger"))
    assert CounterSet(folder).read().aliases == full.aliases
    assert not list(folder.glob("*.ledger"))


def test_a_process_that_begins_on_a_full_disk_leaves_nothing_behind(disk: SmallDiskHandle, folder: Path) -> None:
    with disk.full(), pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        Ledger(folder)
    assert list(folder.iterdir()) == []


def test_a_part_of_a_segment_that_is_being_added_is_no_damage(folder: Path) -> None:
    """As some file systems leave it that run out of room in the middle, and all do for an instant."""
    ledger = Ledger(folder)
    ledger.connecting("default").opened()
    (path,) = folder.glob("*.ledger")
    ledger._header[5] = 1
    os.truncate(path, path.stat().st_size + 4096)
    snapshot = CounterSet(folder).read()
    assert (snapshot.damaged, snapshot.aliases["default"].open) == (0, 1)


def test_a_full_disk_fails_no_request_and_changes_no_count(trial: TrialRunner) -> None:
    done = seen_through(trial, "sync", planned("disk_full", seconds=0.3), max_age=0)
    assert_in_window(done)
    assert not failed_at(done)
    assert done.fault_seen is not None
    assert answered_after(done, done.fault_seen.lifted or 0)


@pytest.mark.slow
@every("server", ["sync", "gthread"])
def test_workers_that_begin_on_a_full_disk_serve_and_are_told_to_be_missing(trial: TrialRunner, server: str) -> None:
    recycling = config_of(STRATEGIES, "recycle_workers", {"max_age": 60, "max_requests": 20}, "strategy")
    full = planned("disk_full", seconds=2.0)
    done = trial(server, strategy=recycling, window_seconds=4.0, fault=full)
    assert done.state == "complete", done.reason
    assert not failed_at(done)
    assert not done.connections.exact
    assert (done.connections.sessions or 0) > done.connections.after_stop.opened
