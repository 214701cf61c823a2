"""A machine that is busy before a run begins is named, and what has just ended is not held against it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from loadlab.lab import machine_load

if TYPE_CHECKING:
    from pathlib import Path


def test_a_busy_machine_is_named_with_its_load_and_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert machine_load.busy(24.0).startswith("This machine is busy (load 24 on 2 cores): ")
    assert machine_load.busy(1.99) == ""


@pytest.mark.parametrize(
    ("average", "now", "load"),
    [
        (24.0, "24.00 9.00 5.00 12/300 4711", 11.0),  # the lab itself is one of the twelve
        (24.0, "24.00 9.00 5.00 1/300 4711", 0.0),  # what was busy has ended
        (0.5, "0.50 0.10 0.10 12/300 4711", 0.5),  # only for a moment
        (24.0, "of another system", 24.0),
    ],
)
def test_the_load_is_what_was_and_still_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, average: float, now: str, load: float
) -> None:
    (tmp_path / "loadavg").write_text(now)
    monkeypatch.setattr(machine_load, "NOW", tmp_path / "loadavg")
    monkeypatch.setattr(os, "getloadavg", lambda: (average, 0.0, 0.0))
    assert machine_load.load_before_start() == load
