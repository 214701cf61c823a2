"""The command line: one module per command, and the one place where errors become messages and exit codes.

Modules import what a command needs when it runs, so that help, versions and typos are answered at once.
"""

from __future__ import annotations

import platform
import sys
import traceback
from typing import TYPE_CHECKING

from loadlab import __version__
from loadlab.cli import (
    behaviour,
    compare,
    completion,
    connections,
    fleet,
    init,
    key,
    live,
    path,
    plan,
    report,
    run,
    serve,
    watch,
)
from loadlab.cli._help import FIRST_STEPS, HelpFormatter, examples, exit_codes
from loadlab.cli._parser import Parser
from loadlab.errors import BUG_EXIT_CODE, EnvironmentFaultError
from loadlab.model.text import printable, redacted
from loadlab.system.ending import ended, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

COMMANDS = (run, live, plan, report, compare, fleet, serve, init, watch, connections, behaviour, key, path, completion)


def parser() -> argparse.ArgumentParser:
    """The whole command line; a command's module gives its help: docstring, arguments and EXAMPLES."""
    top = Parser(
        prog="loadlab",
        description="Find the CONN_MAX_AGE that is right for the way you serve Django, by measuring it.",
        epilog=f"{examples(FIRST_STEPS)}\n\n{exit_codes()}\n\n`loadlab COMMAND --help` explains a command.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"loadlab {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2]
        description = (command.__doc__ or "").strip()
        sub = commands.add_parser(
            name,
            help=description.splitlines()[0],
            description=description,
            epilog=examples(command.EXAMPLES),
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(sub)
        sub.set_defaults(execute=command.execute)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        return ended(lambda: _execute(argv))
    except Exception as error:  # noqa: BLE001  the last resort: anything that arrives here is a bug of ours
        if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("loadlab"):
            say(EnvironmentFaultError(_lacking(error.name)))
            return EnvironmentFaultError.exit_code
        print(printable(redacted(_bug_report())), file=sys.stderr)
        return BUG_EXIT_CODE


def _execute(argv: Sequence[str] | None) -> int:
    arguments = parser().parse_args(argv)
    return int(arguments.execute(arguments))


def _lacking(package: str) -> str:
    """The message of an install that has the instrumentation alone."""
    return (
        f"{package} is not installed. Only the instrumentation works without it. Install the lab, which measures and"
        " reports: pip install 'PATH[lab]', where PATH is loadlab's clone or wheel."
    )


def _bug_report() -> str:
    # Not platform.platform(), which starts a program.
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    versions = f"loadlab {__version__}, Python {platform.python_version()}, {system}"
    return (
        f"This is a bug in loadlab. Please report it with the following lines.\n\n{versions}\n{traceback.format_exc()}"
    )
