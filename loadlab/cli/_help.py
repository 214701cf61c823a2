"""The help of the command line: how it is laid out, and what all commands have in common."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_OPTION: Final = 30  # columns before the help of an option
# Exit code → what it means. The classes of loadlab.errors carry the same codes.
EXIT_CODES: Final = (
    ("0", "success"),
    ("2", "wrong use of a command, or a problem in the plan"),
    ("3", "the machine lacks or refuses something: a program, a port, a database, disk space"),
    ("10", "a gate fails, worse than before (compare --fail-if-worse), or not as recorded (behaviour --check)"),
    ("11", "a gate is undecided, or inconclusive (with --require-verdict or --fail-if-worse)"),
    ("12", "incomplete: trials or files are missing, invalid or damaged"),
    ("70", "a bug in loadlab"),
    ("130", "stopped by Ctrl-C"),
    ("143", "stopped by SIGTERM or SIGHUP"),
)
FIRST_STEPS: Final = (
    ("loadlab run", "measure the default plan, about two minutes"),
    ("loadlab init --project DIR", "write a plan and a Locust file for your own project"),
    ("loadlab run loadlab.toml --live", "measure your plan and watch it in a browser"),
)


class HelpFormatter(argparse.HelpFormatter):
    """Fills each paragraph to the width of the terminal, and keeps the lines of blocks that have a heading."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=LONGEST_OPTION)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.split("\n\n")
        return "\n\n".join(
            one if ":\n" in one else super(HelpFormatter, self)._fill_text(one, width, indent) for one in paragraphs
        )


def examples(commands: Sequence[tuple[str, str]]) -> str:
    """A block of examples for the end of a help text, each with what it does."""
    return "\n".join(["examples:", *(f"  {command}\n      {does}" for command, does in commands)])


def exit_codes() -> str:
    return "\n".join(["exit codes:", *(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES)])
