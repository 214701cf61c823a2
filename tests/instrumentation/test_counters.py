"""Counters: many processes, ended ones included, read as one; nothing damaged ever breaks a reading."""

from __future__ import annotations

import json
import os
import socket
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadlab.instrumentation import layout
from loadlab.instrumentation.archive import Archive
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.ledger import Ledger
from loadlab.model.metrics import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.process


def generation(folder: Path, connections: int) -> None:
    """A process that opens connections and ends without closing them."""
    child = os.fork()
    if not child:
        ledger = Ledger(folder)
        for _ in range(connections):
            ledger.connecting("default").opened()
        os._exit(0)
    os.waitpid(child, 0)


def test_live_and_ended_processes_add_up(ledgers: Path) -> None:
    generation(ledgers, 2)
    generation(ledgers, 3)
    Ledger(ledgers).connecting("default").opened()
    snapshot = CounterSet(ledgers).read()
    totals = snapshot.aliases["default"]
    assert (totals.opened, totals.open, totals.closed[CloseReason.PROCESS_EXIT]) == (6, 1, 5)
    assert snapshot.processes == 1


def test_ended_processes_leave_one_archive_however_many_they_were(ledgers: Path) -> None:
    for _ in range(40):
        generation(ledgers, 1)
    first = CounterSet(ledgers).read().aliases["default"]
    assert sorted(path.name for path in ledgers.iterdir()) == ["archive.json", "lock"]
    assert CounterSet(ledgers).read().aliases["default"] == first
    assert first.opened == 40


def test_a_reader_killed_before_removal_counts_nothing_twice(ledgers: Path) -> None:
    generation(ledgers, 4)
    (ledger,) = ledgers.glob("*.ledger")
    content = ledger.read_bytes()
    CounterSet(ledgers).read()
    ledger.write_bytes(content)  # as if the removal had not been reached
    assert CounterSet(ledgers).read().aliases["default"].opened == 4


@pytest.mark.parametrize(
    "content", [b"", b"not a ledger", b"\0" * 65536, b"\0" * (65536 + 32768), os.urandom(65536 + 32768)]
)
def test_a_file_that_is_not_a_ledger_is_set_aside_and_counted(ledgers: Path, content: bytes) -> None:
    generation(ledgers, 1)
    (ledgers / "123-abc.ledger").write_bytes(content)
    snapshot = CounterSet(ledgers).read()
    assert snapshot.aliases["default"].opened == 1
    assert snapshot.damaged == 1
    assert (ledgers / "123-abc.damaged").exists()
    assert CounterSet(ledgers).read().damaged == 1


def test_a_truncated_ledger_is_set_aside(ledgers: Path) -> None:
    generation(ledgers, 1)
    (ledger,) = ledgers.glob("*.ledger")
    os.truncate(ledger, 70_000)
    assert CounterSet(ledgers).read().damaged == 1


def test_a_ledger_with_an_impossible_row_is_set_aside(ledgers: Path) -> None:
    generation(ledgers, 1)
    (ledger,) = ledgers.glob("*.ledger")
    content = bytearray(ledger.read_bytes())
    content[65536:65544] = (5000).to_bytes(8, "little")
    ledger.write_bytes(content)
    assert CounterSet(ledgers).read().damaged == 1


@pytest.mark.parametrize(
    "content", ["", "{", "[]", json.dumps({"version": 99, "cells": {}, "damaged": 0, "archived": []})]
)
def test_a_damaged_archive_is_set_aside_and_counted(ledgers: Path, content: str) -> None:
    (ledgers / "archive.json").write_text(content)
    generation(ledgers, 2)
    snapshot = CounterSet(ledgers).read()
    assert (snapshot.aliases["default"].opened, snapshot.damaged) == (2, 1)


def test_an_empty_folder_has_nothing_to_say(ledgers: Path) -> None:
    snapshot = CounterSet(ledgers).read()
    assert (snapshot.aliases, snapshot.processes, snapshot.damaged) == ({}, 0, 0)


NESTED = "[" * 100_000 + "]" * 100_000
HOSTILE = {
    "nested": NESTED,
    "endless": json.dumps({"version": 2, "cells": {"x": [0.5]}, "damaged": float("inf"), "archived": []}),
    "large": json.dumps({"version": 2, "cells": {"x": [10**400] * layout.ALIAS_CELLS}, "damaged": 0, "archived": []}),
    "below zero": json.dumps({"version": 2, "cells": {"x": [-1] * layout.ALIAS_CELLS}, "damaged": 0, "archived": []}),
    "digits": '{"version": ' + "9" * 6000 + "}",
    "half a character": json.dumps(
        {"version": 2, "cells": {"\ud800": [0] * layout.ALIAS_CELLS}, "damaged": 0, "archived": []}
    ),
    "names": json.dumps({"version": 2, "cells": {}, "damaged": 0, "archived": [[]]}),
    "no text": "\ufeff\0",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_an_archive_of_any_content_is_set_aside_and_the_rest_counted(ledgers: Path, content: str) -> None:
    (ledgers / "archive.json").write_text(content)
    generation(ledgers, 2)
    for _ in range(2):
        snapshot = CounterSet(ledgers).read()
        assert (snapshot.aliases["default"].opened, snapshot.damaged) == (2, 1)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made, chdir(path.parent):
        made.bind(path.name)


def make_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def make_endless(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


NO_FILES: list[Callable[[Path], None]] = [Path.mkdir, make_fifo, make_socket, make_dangling_link, make_endless]


@pytest.mark.parametrize("name", ["x.ledger", "archive.json"])
@pytest.mark.parametrize("make", NO_FILES, ids=lambda make: make.__name__)
def test_what_only_has_the_name_of_a_file_is_set_aside(ledgers: Path, name: str, make: Callable[[Path], None]) -> None:
    generation(ledgers, 1)
    make(ledgers / name)
    (ledgers / name).with_suffix(".damaged").mkdir()  # that name is taken
    for _ in range(2):
        snapshot = CounterSet(ledgers).read()
        assert (snapshot.aliases["default"].opened, snapshot.damaged) == (1, 1)
    assert os.path.lexists((ledgers / name).with_suffix(".2.damaged"))


def test_what_an_archive_holds_counts_once_however_often_its_readers_die(ledgers: Path) -> None:
    generation(ledgers, 4)
    (ledger,) = ledgers.glob("*.ledger")
    content = ledger.read_bytes()
    CounterSet(ledgers).read()
    for _ in range(3):
        ledger.write_bytes(content)  # as if the removal had not been reached
        generation(ledgers, 1)  # and there is something new to be archived
        CounterSet(ledgers).read()
    assert CounterSet(ledgers).read().aliases["default"].opened == 7


class ByName(Archive):
    """Reads files in the order of their names; the first vanishes before it is read."""

    def _files(self) -> list[Path]:
        return [self._directory / "0.ledger", *sorted(super()._files())]


def test_no_file_hides_those_that_are_read_after_it(ledgers: Path) -> None:
    generation(ledgers, 4)
    (archived,) = (path.rename(ledgers / "2.ledger") for path in ledgers.glob("*.ledger"))
    content = archived.read_bytes()
    CounterSet(ledgers).read()
    archived.write_bytes(content)  # as if the removal had not been reached
    generation(ledgers, 3)
    (_,) = (path.rename(ledgers / "3.ledger") for path in ledgers.glob("*-*.ledger"))
    Ledger(ledgers).connecting("default").opened()
    (_,) = (path.rename(ledgers / "1.ledger") for path in ledgers.glob("*-*.ledger"))
    snapshot = CounterSet(ledgers, ByName).read()
    assert (snapshot.aliases["default"].opened, snapshot.processes, snapshot.damaged) == (8, 1, 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_an_error_and_stays(ledgers: Path) -> None:
    generation(ledgers, 1)
    (ledgers / "x.ledger").touch(mode=0)
    for _ in range(2):
        snapshot = CounterSet(ledgers).read()
        assert (snapshot.aliases["default"].opened, snapshot.damaged) == (1, 1)
