"""A process that begins on a full disk counts from when there is room again."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import django
import psutil
import pytest
from disks import full_disk
from django.db.utils import ConnectionHandler

from loadlab.instrumentation import current
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.counting import install
from loadlab.instrumentation.open_connections import listing_of
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.instrumentation.uncounted import MARKS
from loadlab.instrumentation.work import become

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

django.setup()


@pytest.fixture(autouse=True)
def folder(ledgers: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of a process which has counted nothing yet, and tries again at once."""
    monkeypatch.setattr(current, "directory", lambda: ledgers)
    monkeypatch.setattr(current, "mine", current._Files())
    monkeypatch.setattr(current, "AGAIN_SECONDS", 0.0)
    become(None)
    return ledgers


@pytest.fixture
def wrapper(tmp_path: Path) -> Iterator[Any]:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "database"), "CONN_MAX_AGE": None}
    handler = ConnectionHandler({"default": database})
    install(handler)
    yield handler["default"]
    handler.close_all()


def query(wrapper: Any) -> None:
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT 1")


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(one.levelno, one.getMessage().partition(":")[0]) for one in caplog.records]


def test_a_connection_that_is_opened_once_there_is_room_is_counted(
    folder: Path, wrapper: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with full_disk(room=0):
        query(wrapper)
        wrapper.close()
        query(wrapper)
    query(wrapper)  # by the connection that was open before: uncounted, as its opening was
    assert CounterSet(folder).read().aliases == {}
    wrapper.close()
    query(wrapper)
    totals = CounterSet(folder).read().aliases["default"]
    assert (totals.opened, totals.open, sum(totals.closed.values())) == (1, 1, 0)
    of = f"The connections of process {os.getpid()}"
    assert said(caplog) == [
        (logging.ERROR, f"{of} are not counted"),
        (logging.WARNING, f"{of} are counted from now on, those that it has opened before are not."),
    ]


def test_a_request_that_is_answered_once_there_is_room_is_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with full_disk(room=0):
        for _ in range(3):
            current.request_times().add("shop/", "GET", 200, 1)
    for _ in range(2):
        current.request_times().add("shop/", "GET", 200, 1)
    assert RequestTotals(folder).read().requests == 2
    of = f"The requests of process {os.getpid()}"
    assert said(caplog) == [
        (logging.ERROR, f"{of} are not counted"),
        (logging.WARNING, f"{of} are counted from now on, earlier ones are not."),
    ]


def test_trying_again_leaves_no_file_and_no_descriptor(folder: Path) -> None:
    with full_disk(room=0):
        current.ledger()
        before = psutil.Process().num_fds()
        for _ in range(5):
            current.ledger()
            current.request_times()
        assert psutil.Process().num_fds() == before
    assert [path.suffix for path in folder.iterdir()] == [MARKS.suffix]


def test_a_listing_says_that_a_process_began_on_a_full_disk_while_it_lives(folder: Path, wrapper: Any) -> None:
    with full_disk(room=0):
        query(wrapper)
        (note,) = listing_of(folder, {}).notes
    assert note.startswith("Processes that began without room for their ledgers: 1. What each opened until ")
    current.ledger()  # it may still have connections open that are in no ledger
    found = listing_of(folder, {})
    assert (found.notes, found.uncounted) == ((note,), True)
    current.mine.ledger_begins.mark.release_after_fork()  # as where the process ends
    assert not listing_of(folder, {}).uncounted
    assert list(folder.glob(f"*{MARKS.suffix}")) == []


def test_a_file_that_cannot_be_made_is_not_tried_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def denied() -> Path:
        tried.append(1)
        raise PermissionError("closed")

    monkeypatch.setattr(current, "directory", denied)
    monkeypatch.setattr(current, "AGAIN_SECONDS", 3600.0)
    for _ in range(5):
        current.request_times().add("shop/", "GET", 200, 1)
    assert len(tried) == 1
