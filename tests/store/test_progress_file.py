"""A run's beginning and end are found in its events without reading what is between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadlab.store import progress_file
from loadlab.store.layout import PROGRESS
from loadlab.store.progress import Preparing, RunBegan, RunEnded, to_line
from loadlab.store.progress_file import read_edges, read_events
from loadlab.store.run_progress import progress_of
from loadlab.system.files import DamagedFileError

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.store.progress import Event


def write(run: Path, *events: Event) -> None:
    (run / PROGRESS).write_bytes(b"".join(map(to_line, events)))


def began(at: float) -> RunBegan:
    return RunBegan(at=at, total=2, done=0, trial_seconds=1.0, pid=1)


def between(number: int) -> Preparing:
    return Preparing(at=10.0 + number, what=f'said "event":"run_ended" {number}')


def test_edges_say_what_the_whole_fold_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_file, "PART_BYTES", 100)
    end = RunEnded(at=500.0, state="failed", reason="x" * 2000)
    sequences: list[list[Event]] = [
        [],
        [began(1.0)],
        [began(1.0), *map(between, range(40)), end],
        [began(1.0), end, *map(between, range(40)), began(600.0)],
        [began(1.0), end, began(600.0), RunEnded(at=590.0, state="complete")],  # the clock was set back
        [between(1)],
    ]
    for events in sequences:
        write(tmp_path, *events)
        edges, whole = read_edges(tmp_path), progress_of(read_events(tmp_path)[0])
        assert (edges.began, edges.ended) == (whole.began, whole.ended), events


def test_a_run_without_events_has_no_edges(tmp_path: Path) -> None:
    assert read_edges(tmp_path).began is None
    assert read_events(tmp_path) == ([], 0)


def test_a_damaged_beginning_is_told_with_the_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / PROGRESS).write_text('{"at":1,"total":9,"done":0,"trial_seconds":1,"pid":-1,"event":"run_began"}\n')
    for read in (read_edges, read_events):
        with pytest.raises(DamagedFileError, match=r"progress\.jsonl: run_began: pid"):
            read(tmp_path)
