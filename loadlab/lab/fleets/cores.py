"""How much of the machine is at work, for any process."""

from __future__ import annotations

import psutil


class Cores:
    """Each `read` tells the share of all cores that was busy since the one before."""

    def __init__(self) -> None:
        self._before = _busy_and_all()

    def read(self) -> dict[str, float]:
        now, before = _busy_and_all(), self._before
        self._before = now
        passed = now[1] - before[1]
        return {"busy": (now[0] - before[0]) / passed if passed > 0 else 0.0}


def _busy_and_all() -> tuple[float, float]:
    """CPU seconds of all cores since the machine has started; those that its host took from it count as busy."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # is in user and nice as well
    whole = sum(times) - guest
    return whole - idle, whole
