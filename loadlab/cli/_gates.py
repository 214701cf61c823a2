"""Gates on the command line: the options of the commands that have them, their files, and their exit codes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loadlab.errors import GateError, InconclusiveError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from loadlab.model.gates import Gates
    from loadlab.report.content.gates import GateLine


def add_gate_arguments(parser: argparse.ArgumentParser, example: str = "p95 < 50 ms") -> None:
    """What a build requires, and where its outcome is written for other programs."""
    group = parser.add_argument_group("gates")
    group.add_argument(
        "--gate",
        action="append",
        default=[],
        metavar="EXPR",
        help=f'exit with 10 if this does not hold, with 11 if it cannot be told, such as "{example}"; for some cases as'
        ' "GLOB: EXPR"; repeatable',
    )
    group.add_argument("--undecided-fails", action="store_true", help="exit with 10 also where a gate cannot be told")
    group.add_argument("--junit", type=Path, metavar="FILE", help="write the gates as JUnit XML")
    group.add_argument(
        "--summary", type=Path, metavar="FILE", help='append the gates as Markdown, such as to "$GITHUB_STEP_SUMMARY"'
    )
    group.add_argument(
        "--code-quality", type=Path, metavar="FILE", help="write the gates as GitLab's code quality JSON"
    )
    group.add_argument(
        "--annotate", choices=("github",), help="print the gates that do not pass as annotations of GitHub Actions"
    )


def strict(gates: Gates, arguments: argparse.Namespace) -> Gates:
    """The same, where what is undecided fails if the user says so."""
    return replace(gates, undecided_fails=gates.undecided_fails or arguments.undecided_fails)


def write_gates(lines: Sequence[GateLine], arguments: argparse.Namespace, *, started: str, measured: str) -> None:
    """Write the files that the user asked for, and print annotations. `measured` is a run folder, or an address.

    Raises:
        EnvironmentFaultError: a file cannot be written.
    """
    from loadlab.cli._files import write
    from loadlab.report import gate_files

    otherwise = "Name a file in a folder that you can write to."
    if arguments.junit:
        write(arguments.junit, gate_files.junit(lines, started=started, file=measured), otherwise)
    if arguments.code_quality:
        write(arguments.code_quality, gate_files.code_quality(lines, measured), otherwise)
    if arguments.summary:
        write(arguments.summary, gate_files.summary(lines, f"loadlab gates of {measured}"), otherwise, append=True)
    if arguments.annotate and (text := gate_files.github(lines)):
        print(text, file=sys.stderr if arguments.json else sys.stdout)


def require_gates(lines: Sequence[GateLine]) -> None:
    """Hold what was measured to its gates.

    Raises:
        GateError: some gate fails, naming each.
        InconclusiveError: none fails, and some are undecided.
    """
    from loadlab.model.gates import GateOutcome

    failing = [one for one in lines if one.fails]
    undecided = [one for one in lines if one.result.outcome is GateOutcome.UNDECIDED and not one.fails]
    if failing:
        raise GateError(_named("A gate fails:", "gates fail:", failing))
    if undecided:
        raise InconclusiveError(_named("A gate is undecided:", "gates are undecided:", undecided))


def _named(one: str, several: str, lines: Sequence[GateLine]) -> str:
    head = one if len(lines) == 1 else f"{len(lines)} {several}"
    return "\n".join([head, *(f"  {line.sentence}" for line in lines)])
