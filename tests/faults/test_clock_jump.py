"""The wall clock of the target jumps, and nothing that measures time by another clock does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from every import every
from faulted import answered_after, assert_in_window, failed_at, planned, seen_through

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.faults.clock_jump import ClockJump
from loadlab.services.wall_clock import wall_clock
from loadlab.system.programs import C_COMPILER

if TYPE_CHECKING:
    from pathlib import Path

    from laboratory import TrialRunner

    from loadlab.lab.lab import Lab
    from loadlab.services.wall_clock import WallClock

    Told = dict[str, dict[str, float]]

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux" or C_COMPILER.lacks(), reason="needs LD_PRELOAD and a C compiler"),
]
HOUR = 3600
STEP_SECONDS = 0.05  # of a clock that is coarse, or that the network corrects
TELLING = """
import json, sys, threading, time
from datetime import datetime

def told():
    before = time.monotonic()
    wall = {"time": time.time(), "ns": time.time_ns() / 1e9, "now": datetime.now().timestamp()}
    wall["coarse"] = time.clock_gettime(5)
    other = {"boot": time.clock_gettime(time.CLOCK_BOOTTIME)}
    return {"wall": wall, "other": other, "monotonic": {"before": before, "after": time.monotonic()}}

for _ in sys.stdin:
    began = time.monotonic()
    threading.Event().wait(0.01)
    time.sleep(0.01)
    print(json.dumps({**told(), "waited": time.monotonic() - began}), flush=True)
"""


class Telling:
    """A process that tells the time by all its clocks."""

    def __init__(self, clock: WallClock) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TELLING],
            env={**os.environ, **clock.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def told(self) -> Told:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer: Told = json.loads(self.process.stdout.readline())
        return answer


def went_ahead(first: Told, then: Told, kind: str, name: str, seconds: float) -> bool:
    """Whether a clock may have gone that far ahead of the monotonic one, which was read before it and after it."""
    change = then[kind][name] - first[kind][name]
    least = change - (then["monotonic"]["after"] - first["monotonic"]["before"])
    most = change - (then["monotonic"]["before"] - first["monotonic"]["after"])
    return least - STEP_SECONDS <= seconds <= most + STEP_SECONDS


@every("seconds", [HOUR, -HOUR, 0.25, -0.75])
def test_all_wall_clocks_of_a_process_jump_and_no_other_does(tmp_path: Path, seconds: float) -> None:
    with wall_clock(tmp_path) as clock:
        telling = Telling(clock)
        before = telling.told()
        with clock.ahead(seconds):
            during = telling.told()
        after = telling.told()
        telling.process.communicate()
    for name in during["wall"]:
        assert went_ahead(before, during, "wall", name, seconds), name
        assert went_ahead(before, after, "wall", name, 0), name
    assert went_ahead(before, during, "other", "boot", 0)


def test_a_process_with_the_machine_s_clock_is_told(lab: Lab, tmp_path: Path) -> None:
    """As one whose program is linked without the C library."""
    with wall_clock(tmp_path) as clock:
        telling = Telling(clock)
        telling.told()
        assert clock.without([telling.process.pid, os.getpid()]) == [os.getpid()]
        workers = FaultContext(
            database=lab.database,
            register=lab.register,
            log=tmp_path / "log",
            workers=lambda: [os.getpid()],
            handle=clock,
        )
        with (
            pytest.raises(EnvironmentFaultError, match=f"of pid {os.getpid()}"),
            ClockJump(by_seconds=1).applied(workers),
        ):
            pass
        telling.process.communicate()


def test_a_jump_of_the_clock_fails_no_request_and_ends_no_connection(trial: TrialRunner) -> None:
    """Django ages connections by the monotonic clock."""
    done = seen_through(trial, "sync", planned("clock_jump", seconds=0.3, by_seconds=HOUR), max_age=60)
    assert_in_window(done)
    assert not failed_at(done)
    assert done.fault_seen is not None
    assert answered_after(done, done.fault_seen.lifted or 0)
    assert 0 < done.connections.after_stop.opened == done.connections.left_open <= 2
    assert set(done.connections.at_rest.closed) == set()
