"""How much memory a backend of the lab's own PostgreSQL takes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PSS: Final = "Pss:"
KIB: Final = 1024


def backend_bytes(pids: Iterable[int]) -> float | None:
    """The median proportional share of these processes: what each shares with others is divided among them.

    None without any, where the system is not Linux, and where the lab may not look.
    """
    found = [share for pid in pids if (share := _share(pid)) is not None]
    return median(found) if found else None


def _share(pid: int) -> float | None:
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(PSS):
                return float(line.split()[1]) * KIB
    return None
