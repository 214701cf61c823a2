"""Make all reports of a run again from what it measured, finished or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loadlab.cli._results import add_json_argument, judge, report_on
from loadlab.cli._screen import Screen, add_screen_arguments

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="DIR", help="a run folder")
    parser.add_argument("--require-verdict", action="store_true", help="exit with 11 when a verdict is inconclusive")
    add_json_argument(parser)
    add_screen_arguments(parser, progress=False)


def execute(arguments: argparse.Namespace) -> int:
    findings = report_on(arguments.run, Screen.of(arguments), as_json=arguments.json)
    return judge(findings, arguments.run, require_verdict=arguments.require_verdict)
