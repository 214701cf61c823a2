"""How much memory processes take, as the kernel tells: backends of the lab's own PostgreSQL."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.holding import IdleBackends, MedianEstimate
from loadlab.stats.intervals import median as median_of
from loadlab.stats.intervals import of_median

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LINE: Final = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)
KIB: Final = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessMemory:
    """One process, in bytes. `proportional` is None where only the owner may read it; `files` are open descriptors."""

    proportional: float | None
    private: float
    page_tables: float
    files: int | None


def figures(text: str) -> dict[str, float]:
    r"""The lines of a file in /proc that give an amount of memory, in bytes.

    >>> figures("55d0-7ffe ---p [rollup]\nRss:  2048 kB\nPss:\t1024 kB\nThreads: 1\n")
    {'Rss': 2097152.0, 'Pss': 1048576.0}
    """
    return {name: float(amount) * KIB for name, amount in LINE.findall(text)}


def process_memory(pid: int) -> ProcessMemory | None:
    """None where the process has gone, and where the system is not Linux."""
    status = _figures(pid, "status")
    if "RssAnon" not in status:
        return None
    rollup = _figures(pid, "smaps_rollup")
    private = rollup["Private_Clean"] + rollup["Private_Dirty"] if rollup else status["RssAnon"]
    return ProcessMemory(
        proportional=rollup.get("Pss"), private=private, page_tables=status.get("VmPTE", 0.0), files=_files(pid)
    )


def _figures(pid: int, name: str) -> dict[str, float]:
    """Nothing where it may not be read."""
    with suppress(OSError):
        return figures(Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace"))
    return {}


def _files(pid: int) -> int | None:
    with suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return None


def idle_backends(pids: Iterable[int]) -> IdleBackends | None:
    """What these take in the median. None where none of them can be read."""
    found = [memory for pid in pids if (memory := process_memory(pid)) is not None]
    return summed_up(found) if found else None


def summed_up(found: Sequence[ProcessMemory]) -> IdleBackends:
    """By the proportional shares if all tell theirs, else by private memory alone."""
    shares = [one.proportional for one in found if one.proportional is not None]
    private = [one.private for one in found]
    told = len(shares) == len(found)
    files = [one.files for one in found if one.files is not None]
    return IdleBackends(
        reading="pss" if told else "private",
        resident=measured(shares if told else private),
        private=measured(private),
        page_tables=measured([one.page_tables for one in found]),
        files=median(files) if files else None,
    )


def measured(values: Sequence[float]) -> MedianEstimate:
    """Their median with its interval; there is at least one."""
    array = np.asarray(values, dtype=np.float64)
    low, high = of_median(array) or (None, None)
    return MedianEstimate(value=float(median_of(array)), low=low, high=high, count=len(values))


def proportional_bytes(pids: Iterable[int]) -> float | None:
    """The median proportional share of these processes: what each shares with others is divided among them.

    None without any, where the system is not Linux, and where the lab may not look.
    """
    found = [memory.proportional for pid in pids if (memory := process_memory(pid)) and memory.proportional is not None]
    return median(found) if found else None
