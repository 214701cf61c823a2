"""Write the reports of a finished or stopped run again from its measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.cli._garbage import left_lying
from loadlab.cli._gates import add_gate_arguments
from loadlab.cli._results import add_json_argument, judge, report_on
from loadlab.cli._screen import Screen, add_screen_arguments

if TYPE_CHECKING:
    import argparse


EXAMPLES: Final = (
    ("loadlab report runs/20261128-140000", "print the verdict and write the report files"),
    ("loadlab report runs/20261128-140000 --json", "print the verdict and every figure as JSON"),
    ("loadlab report runs/20261128-140000 --gate 'leaks == 0'", "exit with 10 if a case leaks"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="DIR", help="a run folder")
    parser.add_argument("--require-verdict", action="store_true", help="exit with 11 if a verdict is inconclusive")
    add_json_argument(parser)
    add_gate_arguments(parser)
    add_screen_arguments(parser, progress=False)


def execute(arguments: argparse.Namespace) -> int:
    with left_lying():
        findings = report_on(arguments.run, Screen.of(arguments), arguments, arguments.gate)
    return judge(findings, arguments.run, require_verdict=arguments.require_verdict)
