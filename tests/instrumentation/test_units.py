"""Units of work and roles in the files: kept apart by kind, exact over reuse, death and archives of any loadlab."""

from __future__ import annotations

import json
import os
import random
import struct
import threading
from typing import TYPE_CHECKING, Final

import pytest
from patience import PATIENCE_SECONDS

from loadlab.instrumentation import layout, work
from loadlab.instrumentation.archive import Archive, Kind
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.ledger_file import LEDGERS
from loadlab.model.metrics import CloseReason, ProcessRole, UnitKind

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.instrumentation.counters import Totals

SEED: Final = 2026


def read(folder: Path) -> Totals:
    return CounterSet(folder).read().aliases["default"]


def used(ledger: Ledger, *kinds: UnitKind) -> None:
    """A connection that serves units of these kinds, and closes."""
    row = ledger.connecting("default")
    row.opened()
    for kind in kinds:
        row.used(pair=layout.PAIR * kind)
    row.closed(CloseReason.EXPLICIT)


def test_each_kind_counts_apart_and_all_of_them_together(ledgers: Path) -> None:
    ledger, chance = Ledger(ledgers), random.Random(SEED)
    expected = {kind: [0, 0] for kind in UnitKind}
    for _ in range(3 * layout.ROWS_PER_SEGMENT):  # so that rows are used again
        kinds = chance.choices(list(UnitKind), k=chance.randrange(4))
        used(ledger, *kinds)
        for number, kind in enumerate(kinds):
            expected[kind][number > 0] += 1
    totals = read(ledgers)
    assert totals.units == {kind: tuple(pair) for kind, pair in expected.items()}
    assert totals.requests_opened == sum(first for first, _ in expected.values())
    assert totals.requests_reused == sum(later for _, later in expected.values())
    assert totals.requests == totals.requests_opened + totals.requests_reused


def test_units_on_an_inherited_connection_count_as_reused(ledgers: Path) -> None:
    row = Ledger(ledgers).inherited("default")
    row.used(pair=layout.PAIR * UnitKind.TASK)
    assert read(ledgers).units[UnitKind.TASK] == (0, 1)


def test_the_role_is_that_of_the_first_connection_and_stays(ledgers: Path) -> None:
    roles = iter([ProcessRole.WORKER, ProcessRole.WEB])
    ledger = Ledger(ledgers, lambda: next(roles))
    for _ in range(2):
        used(ledger, UnitKind.TASK)
    ledger.connecting("default").opened()
    assert read(ledgers).roles == {ProcessRole.OTHER: (0, 0), ProcessRole.WEB: (0, 0), ProcessRole.WORKER: (1, 3)}


def test_an_archive_of_an_earlier_loadlab_counts_as_requests_of_other_roles(ledgers: Path) -> None:
    cells = [0] * layout.ALIAS_CELLS
    cells[layout.CLOSED_AT], cells[layout.OPENED_FOR_AT], cells[layout.REQUESTED_AT] = 7, 5, 50
    archive = {"version": layout.TOTALS_VERSION, "damaged": 0, "archived": [], "cells": {"default": cells}}
    (ledgers / "archive.json").write_text(json.dumps(archive))
    used(Ledger(ledgers, lambda: ProcessRole.WORKER), UnitKind.TASK, UnitKind.TASK)
    totals = read(ledgers)
    assert (totals.units[UnitKind.REQUEST], totals.units[UnitKind.TASK]) == ((5, 45), (1, 1))
    assert (totals.roles[ProcessRole.OTHER], totals.roles[ProcessRole.WORKER]) == ((0, 7), (0, 1))


def of_an_ended_process(folder: Path) -> None:
    child = os.fork()
    if not child:
        ledger = Ledger(folder, lambda: ProcessRole.WORKER)
        used(ledger, UnitKind.TASK, UnitKind.MESSAGE, UnitKind.OTHER)
        ledger.connecting("default").opened()
        os._exit(0)
    os.waitpid(child, 0)


@pytest.mark.process
def test_an_archive_keeps_kinds_and_roles_of_processes_that_have_ended(ledgers: Path) -> None:
    for _ in range(3):
        of_an_ended_process(ledgers)
        totals = read(ledgers)
    assert totals.units == {
        UnitKind.REQUEST: (0, 0),
        UnitKind.TASK: (3, 0),
        UnitKind.MESSAGE: (0, 3),
        UnitKind.OTHER: (0, 3),
    }
    assert totals.roles[ProcessRole.WORKER] == (0, 6)
    assert not list(ledgers.glob("*.ledger"))


@pytest.mark.process
def test_an_earlier_loadlab_in_the_same_folder_damages_nothing(ledgers: Path) -> None:
    """One that reads files of the same version, and knows no added cells."""
    of_an_ended_process(ledgers)
    read(ledgers)
    earlier = Kind(
        suffix=LEDGERS.suffix,
        version=LEDGERS.version,
        cells=LEDGERS.cells,
        read=lambda file, ended: {name: each[: LEDGERS.cells] for name, each in LEDGERS.read(file, ended).items()},
        archive=LEDGERS.archive,
    )
    of_an_ended_process(ledgers)
    sums = Archive(ledgers, earlier).read()
    assert (sums.damaged, sums.cells["default"][layout.REQUESTED_AT]) == (0, 6)
    of_an_ended_process(ledgers)
    totals = read(ledgers)
    assert (totals.opened, totals.requests_opened + totals.requests_reused) == (6, 9)
    assert totals.units[UnitKind.TASK] == (1, 0)  # what the earlier one has archived has lost its kind


@pytest.mark.parametrize("added", [{"default": [1]}, {"default": [-1] * layout.ADDED_CELLS}, [], {"default": "x" * 10}])
def test_added_cells_of_any_content_set_the_archive_aside(ledgers: Path, added: object) -> None:
    known = {"default": [0] * layout.ALIAS_CELLS}
    archive = {"version": layout.TOTALS_VERSION, "damaged": 0, "archived": [], "cells": known, "added": added}
    (ledgers / "archive.json").write_text(json.dumps(archive))
    snapshot = CounterSet(ledgers).read()
    assert (snapshot.aliases, snapshot.damaged) == ({}, 1)


@pytest.mark.parametrize("role", [-1, 3, 1 << 40])
def test_a_role_that_is_unknown_here_counts_as_other(ledgers: Path, role: int) -> None:
    ledger = Ledger(ledgers)
    used(ledger)
    (path,) = ledgers.glob("*.ledger")
    with path.open("r+b") as file:
        file.seek(layout.ROLE_CELL * layout.CELL_BYTES)
        file.write(struct.pack("<q", role))
    assert read(ledgers).roles[ProcessRole.OTHER] == (0, 1)


@pytest.mark.process
def test_a_child_forked_during_a_reading_holds_no_later_reading_up(ledgers: Path) -> None:
    """A lock belongs to the open file, which the child has too."""
    within, forked = threading.Event(), threading.Event()

    class Slow(Archive):
        def _files(self) -> list[Path]:
            within.set()
            assert forked.wait(PATIENCE_SECONDS)
            return super()._files()

    reading = threading.Thread(target=CounterSet(ledgers, Slow).read)
    reading.start()
    assert within.wait(PATIENCE_SECONDS)
    told, tells = os.pipe()
    child = os.fork()
    if not child:
        os.close(tells)
        os.read(told, 1)  # until its parent lets it end
        os._exit(0)
    forked.set()
    reading.join()
    answered = threading.Thread(target=CounterSet(ledgers).read, daemon=True)
    answered.start()
    answered.join(PATIENCE_SECONDS)
    os.close(tells)
    os.waitpid(child, 0)
    assert not answered.is_alive()


def test_a_unit_within_a_unit_belongs_to_it_and_after_it_there_is_none() -> None:
    with work.unit(UnitKind.TASK):
        outer = work.present()
        with work.unit(UnitKind.MESSAGE):
            assert work.present() is outer
        assert (work.present() is outer, work.kind_of(outer)) == (True, UnitKind.TASK)
    assert work.present() is None
    assert work.kind_of(work.present()) is UnitKind.OTHER


def test_a_unit_ends_by_its_name_alone_and_a_new_one_takes_its_place() -> None:
    work.begin(UnitKind.TASK, "a")
    work.end("b")
    assert work.running()
    work.begin(UnitKind.TASK, "b")
    work.end("a")
    assert work.running()
    work.end("b")
    assert not work.running()
