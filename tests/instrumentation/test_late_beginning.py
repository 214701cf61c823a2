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
from loadlab.instrumentation.request_totals import RequestTotals
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
    assert list(folder.iterdir()) == []


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
