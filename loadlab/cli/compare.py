"""Set two runs side by side: what changed in speed, connections and environment."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path, metavar="DIR", help="a run folder")
    parser.add_argument("after", type=Path, metavar="DIR", help="another one")


def execute(arguments: argparse.Namespace) -> int:
    from loadlab.store import RunFolder

    folders = [RunFolder.at(path) for path in (arguments.before, arguments.after)]
    # The analysis takes a second to import: not before both are known to be runs.
    from loadlab.analysis import contrast
    from loadlab.assessment import findings_of
    from loadlab.report.content import contrasts

    before, after = (findings_of(folder) for folder in folders)
    print(contrasts.text(contrast(before, after), width=max(100, shutil.get_terminal_size().columns)))
    return 0
