"""Make all reports of a run again from what it measured, finished or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loadlab.cli._results import judge, report_on

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="DIR", help="a run folder")
    parser.add_argument("--require-verdict", action="store_true", help="exit with 11 when a verdict is inconclusive")


def execute(arguments: argparse.Namespace) -> int:
    return judge(report_on(arguments.run), arguments.run, require_verdict=arguments.require_verdict)
