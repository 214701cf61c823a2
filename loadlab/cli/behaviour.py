"""Count what connections do in each server mode and background worker, or check a recording.

Every cell is a count, not a time, so it is the same on any machine. A full pass takes over half an hour.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.cli._screen import add_screen_arguments

if TYPE_CHECKING:
    import argparse


EXAMPLES: Final = (
    ("loadlab behaviour --only 'sync,*'", "count the rows of one server mode"),
    ("loadlab behaviour --workers --only 'worker/celery*'", "count what Celery does with connections, and its fixes"),
    ("loadlab behaviour --check recorded.json", "exit with 10 if a count differs from the recording"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="GLOB",
        help="only rows, claims and workers whose id matches; repeatable",
    )
    parser.add_argument("--list", action="store_true", help="list the ids and exit")
    parser.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="count N times; cells become ranges (default: 1)"
    )
    parser.add_argument(
        "--claims", "--cases", action="store_true", help="also test published claims; their ids are claim/NAME"
    )
    parser.add_argument(
        "--workers", action="store_true", help="also count background workers; their ids are worker/NAME"
    )
    parser.add_argument(
        "--check", type=Path, metavar="FILE", help="compare with a recording and exit with 10 on a difference"
    )
    parser.add_argument("--update", type=Path, metavar="FILE", help="replace the counted rows in a recording")
    parser.add_argument("--from", type=Path, dest="recorded", metavar="FILE", help="show a recording and exit")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts to a recording")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the counts as a Markdown page")
    parser.add_argument(
        "--which-setting", type=Path, metavar="FILE", help="write which setting follows for each server mode"
    )
    add_screen_arguments(parser, progress=True)


def execute(arguments: argparse.Namespace) -> int:
    from loadlab.cli import _behaviour_counting

    return _behaviour_counting.execute(arguments)
