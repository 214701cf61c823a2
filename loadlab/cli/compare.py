"""Set two runs side by side: what changed in speed, connections and environment."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loadlab.errors import IncompleteError
from loadlab.run_reader import RunReader

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path, metavar="DIR", help="a run folder")
    parser.add_argument("after", type=Path, metavar="DIR", help="another one")


def execute(arguments: argparse.Namespace) -> int:
    folders = [RunReader.at(path) for path in (arguments.before, arguments.after)]
    # The analysis takes a second to import: not before both are known to be runs.
    from loadlab.analysis import contrast  # noqa: PLC0415
    from loadlab.assessment import findings_of  # noqa: PLC0415
    from loadlab.report.content import contrasts  # noqa: PLC0415

    before, after = (findings_of(folder) for folder in folders)
    print(contrasts.text(contrast(before, after), width=max(100, shutil.get_terminal_size().columns)))
    for path, findings in zip((arguments.before, arguments.after), (before, after), strict=True):
        if findings.run.state == "incomplete":
            run = findings.run
            print(f"note: {path} is incomplete: {run.trials_done} of {run.trials_planned} trials.", file=sys.stderr)
    found = zip(folders, (before, after), strict=True)
    damaged = [str(folder.path / name) for folder, findings in found for name in findings.run.damaged]
    if damaged:
        raise IncompleteError(f"Damaged, and left out: {', '.join(damaged)}. loadlab report DIR says more of each.")
    return 0
