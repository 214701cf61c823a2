"""How busy the machine is before the lab adds anything to it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

LOOKS: Final = 10
LOOK_SECONDS: Final = 0.02
NOW: Final = Path("/proc/loadavg")  # its fourth field is "running/all"


def load_before_start() -> float:
    """The load average, or what runs now if that is less: what has just ended is in the average for minutes."""
    average = os.getloadavg()[0]
    with suppress(OSError, ValueError, IndexError):  # without that file, the average has to do
        return round(min(average, _running()), 2)
    return round(average, 2)


def busy(load: float) -> str:
    """What to tell a user whose machine has more to do than it has cores; empty otherwise."""
    cores = os.cpu_count() or 1
    if load < cores:
        return ""
    return (
        f"This machine is busy (load {load:.3g} on {cores} cores): times will vary, and trials may be invalid. Counts"
        " of connections stay exact. End what else runs, or measure later."
    )


def _running() -> float:
    """The threads that have a core or wait for one, but for the one that asks."""
    seen = 0
    for _ in range(LOOKS):
        seen += int(NOW.read_text().split()[3].partition("/")[0]) - 1
        time.sleep(LOOK_SECONDS)
    return seen / LOOKS
