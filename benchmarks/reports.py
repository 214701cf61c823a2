"""What a report takes of CPU and memory, and how large its page is: over 300 trials, and over 10,000.

With `--against TREE`, a clone of loadlab with its own .venv, both take turns on the same runs, and each figure is a
ratio to that tree's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from synthetic_run import CASES, REQUESTS, write_run
from workbench import watching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench import Watch

REPORTS: Final = 4
BLOCKS: Final = (30, 1000)
REPOSITORY: Final = Path(__file__).resolve().parent.parent
GOALS: Final = {300: "≤ 0.4× of the CPU", 10_000: "≤ 0.25× of CPU and memory, ≤ 3 MB"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportCost:
    """What one `loadlab report` took as a process, and the size of its page in bytes."""

    cpu_seconds: float
    peak_megabytes: float
    page_megabytes: float


def run(watch: Watch, blocks: int | None) -> Table:
    return measure(watch, [blocks] if blocks else BLOCKS, None)


def measure(watch: Watch, sizes: Sequence[int], against: Path | None) -> Table:
    made = Table(
        title=f"All reports on trials of {REQUESTS:,} requests",
        caption=f"loadlab report as a whole process: median (min to max) of {REPORTS}"
        + (", and the ratios of pairs that ran one after the other" if against else ""),
    )
    for heading in ("trials", "CPU", "memory", "report.html", "goal"):
        made.add_column(heading)
    trees = [tree for tree in (REPOSITORY, against) if tree]
    with tempfile.TemporaryDirectory() as scratch:
        for blocks in sizes:
            path = Path(scratch, str(blocks))
            trials = write_run(path, watch, blocks)
            turns = list(watch.over(range(REPORTS), lambda _: "loadlab report"))
            reports = [_turn(path, trees if turn % 2 else trees[::-1]) for turn in turns]
            made.add_row(f"{trials:,}", *_cells(reports, trees), GOALS.get(trials, ""))
    return made


def _turn(path: Path, trees: Sequence[Path]) -> dict[Path, ReportCost]:
    return {tree: _report(path, tree) for tree in trees}


def _report(path: Path, tree: Path) -> ReportCost:
    own = tree / ".venv/bin/python"
    python = str(own) if own.exists() else sys.executable
    bytecode = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = subprocess.Popen(
        [python, "-m", "loadlab", "report", str(path)], cwd=tree, env=bytecode, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(begun.pid, 0)
    begun.returncode = os.waitstatus_to_exitcode(status)
    if begun.returncode:
        raise subprocess.CalledProcessError(begun.returncode, "loadlab report")
    return ReportCost(
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_megabytes=used.ru_maxrss / 1024,
        page_megabytes=(path / "report.html").stat().st_size / 1e6,
    )


def _cells(reports: Sequence[dict[Path, ReportCost]], trees: Sequence[Path]) -> list[str]:
    cells = []
    for name, unit in (("cpu_seconds", "s"), ("peak_megabytes", "MB"), ("page_megabytes", "MB")):
        ours, *theirs = ([getattr(turn[tree], name) for turn in reports] for tree in trees)
        cell = f"{_spread(ours)} {unit}"
        if theirs:
            ratios = [one / other for one, other in zip(ours, theirs[0], strict=True)]
            cell = f"{_spread(ratios)}×: {cell} for {_spread(theirs[0])} {unit}"
        cells.append(cell)
    return cells


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, metavar="TREE", help="another clone of loadlab, with its .venv")
    parser.add_argument("--trials", type=int, nargs="+", metavar="N", help="the sizes of the runs (300 and 10,000)")
    arguments = parser.parse_args()
    sizes = [max(1, trials // CASES) for trials in arguments.trials or ()] or BLOCKS
    with watching("reports") as watch:
        table = measure(watch, sizes, arguments.against)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    main()
