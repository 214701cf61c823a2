"""The ledger's format: files that another loadlab has written, of a process that lives or of one that has ended.

The offsets are spelt out here. After an upgrade, workers that still run write by these, and archives hold them.
"""

from __future__ import annotations

import fcntl
import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from loadlab.instrumentation import layout
from loadlab.instrumentation.counters import CounterSet, Totals
from loadlab.instrumentation.layout import add_row
from loadlab.model.counts import ConnectionCounts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MS: Final = 1_000_000
ALIAS_CELLS: Final = 85
# STATE, SEQUENCE, ALIAS, STARTED_NS, CONNECT_NS, CLOSED_NS, POOL, SERVED, OPENED, REUSED
ROWS: Final = (
    (2, 1, 0, 7 * MS, 3 * MS, 0, 0, 4, 1, 3),  # open
    (2, 2, 0, 7 * MS, 4 * MS, 0, 1, 0, 0, 0),  # open, lent by its pool
    (2, 3, 0, 7 * MS, 5 * MS, 0, 2, 5, 1, 4),  # open, for its pool to lend
    (201, 4, 0, 7 * MS, 2 * MS, 70 * MS, 0, 2, 1, 1),  # closed by max_age after 61 ms
    (207, 5, 0, 7 * MS, 1 * MS, 0, 0, 300, 1, 299),  # closed by process_exit
    (101, 6, 0, 7 * MS, 0, 0, 0, 0, 0, 0),  # refused
    (1, 7, 0, 7 * MS, 0, 0, 0, 0, 0, 0),  # connecting
    (3, 8, 0, 7 * MS, 0, 0, 0, 0, 0, 0),  # waiting for a pool
    (4, 9, 0, 7 * MS, 20 * MS, 0, 0, 0, 0, 0),  # lent by a pool after 20 ms
    (5, 10, 0, 7 * MS, 0, 0, 0, 3, 0, 2),  # inherited
    (2, 11, 15, 7 * MS, -1, 0, 0, 0, 0, 0),  # of another alias, found open
    (203, 12, 0, 7 * MS, 9 * MS, 70 * MS, 0, 9, 1, 8),  # in the totals already
)
LIVE: Final = ConnectionCounts(
    opened=5,
    reused=309,
    closed={"max_age": 1, "process_exit": 1},
    open=3,
    connect_errors={"refused": 1},
    unsettled=1,
    connect_seconds_sum=0.015,
    waits=1,
    wait_seconds_sum=0.02,
    first_uses=4,
    connects=5,
    ended=1,
    ended_seconds_sum=0.061,
    pool_size=2,
    pool_available=1,
    pool_waiting=1,
)


def written(path: Path, rows: Sequence[tuple[int, ...]] = ROWS, *, turn: int = 0, bank: Sequence[int] = (12,)) -> None:
    """A ledger with these rows, and a bank of totals that begins so."""
    content = bytearray(64 * 1024 + 512 * 16 * 8)
    content[:8] = b"LOADLAB\0"
    struct.pack_into("<2q", content, 8, 3, turn)
    content[1024:1031] = b"default"
    content[1024 + 15 * 128 : 1024 + 15 * 128 + 5] = b"other"
    struct.pack_into(f"<{len(bank)}q", content, 4096 + turn % 2 * (1 + 16 * ALIAS_CELLS) * 8, *bank)
    for number, row in enumerate(rows):
        struct.pack_into("<10q", content, 64 * 1024 + number * 16 * 8, *row)
    path.write_bytes(content)


def test_a_ledger_of_a_live_process_is_read_cell_by_cell(ledgers: Path) -> None:
    path = ledgers / "1-a.ledger"
    written(path)
    with path.open("rb") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)  # as its process holds it
        snapshot = CounterSet(ledgers).read()
    assert (snapshot.processes, snapshot.damaged) == (1, 0)
    assert snapshot.aliases["default"].counts == LIVE
    assert snapshot.aliases["other"].counts == ConnectionCounts(opened=1, open=1)


def test_what_was_open_or_waiting_in_a_ledger_ends_with_its_process(ledgers: Path) -> None:
    written(ledgers / "1-a.ledger")
    counts = CounterSet(ledgers).read().aliases["default"].counts
    ended = {"max_age": 1, "process_exit": 4}
    assert counts == replace(LIVE, closed=ended, open=0, pool_size=0, pool_available=0, pool_waiting=0)


@pytest.mark.parametrize("turn", [0, 1, 2, 7])
def test_totals_are_those_of_the_bank_whose_turn_it_is(ledgers: Path, turn: int) -> None:
    written(ledgers / "1-a.ledger", ROWS[:1], turn=turn, bank=[12, 3, 4])
    totals = CounterSet(ledgers).read().aliases["default"].counts
    assert totals.closed == {"request_end": 3, "max_age": 4, "process_exit": 1}


def test_an_archive_of_an_earlier_loadlab_keeps_its_meaning(ledgers: Path) -> None:
    cells = list(range(1, ALIAS_CELLS + 1))
    archive = {"version": 2, "damaged": 4, "archived": [], "cells": {"default": cells}}
    (ledgers / "archive.json").write_text(json.dumps(archive))
    snapshot = CounterSet(ledgers).read()
    totals = snapshot.aliases["default"]
    assert (snapshot.damaged, snapshot.processes) == (4, 0)
    reasons = "request_end max_age unusable health_check autocommit explicit garbage_collected process_exit pool"
    kinds = "too_many_connections refused authentication timeout starting pool_timeout other"
    assert totals.counts == ConnectionCounts(
        closed={reason: number for number, reason in enumerate(reasons.split(), 1)},
        connect_errors={kind: number for number, kind in enumerate(kinds.split(), 10)},
        opened=45 + 17,
        open=17,
        unsettled=18,
        first_uses=19,
        reused=20 - 19,
        connects=sum(range(21, 36)),
        connect_seconds_sum=36e-6,
        ended=sum(range(37, 53)),
        ended_seconds_sum=53e-6,
        pool_size=67,
        pool_available=68,
        pool_waiting=69,
        waits=sum(range(70, 85)),
        wait_seconds_sum=85e-6,
    )
    assert (totals.request_buckets, totals.requests) == (tuple(range(54, 66)), 66)


def totals_of(row: Sequence[int]) -> Totals:
    cells = [0] * layout.ALIAS_CELLS
    add_row(cells, 0, row)
    return Totals(tuple(cells))


def test_a_time_is_in_the_bucket_of_the_first_bound_not_below_it() -> None:
    for connect_ns, bucket in ((500_000, 0), (500_001, 1), (5_000_000_000, 13), (5_000_000_001, 14)):
        totals = totals_of((2, 1, 0, 0, connect_ns, 0, 0, 0, 0, 0))
        assert totals.connect_buckets[bucket] == 1
        assert totals.connect_seconds == connect_ns // 1000 / 1e6


def test_an_age_counts_from_when_the_connection_was_open() -> None:
    totals = totals_of((201, 1, 0, 1000 * MS, 500 * MS, 61_500 * MS, 0, 3, 1, 2))
    assert totals.age_seconds == 60.0
    assert totals.age_buckets.index(1) == 12  # 60 s is the limit of a minute
    assert (totals.request_buckets.index(1), totals.requests) == (3, 3)
