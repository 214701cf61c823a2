"""Simulate many hosts over hours from what was measured in seconds, and say which CONN_MAX_AGE fits them.

FLEET is a TOML file; options replace its keys, or say all of it. The answer has open connections, opens, reuse and
refused requests of each strategy, and the largest fleet that fits PostgreSQL's limit.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.cli._fleet_file import EXAMPLE, add_fleet_arguments, read_fleet_of
from loadlab.cli._results import add_json_argument
from loadlab.cli._screen import add_screen_arguments

if TYPE_CHECKING:
    import argparse

EXAMPLES: Final = (
    ("loadlab fleet --example > fleet.toml", "start from an example"),
    ("loadlab fleet fleet.toml", "answer for the fleet of the file"),
    (
        "loadlab fleet --run runs/20261128-140000 --hosts 20 --server gthread,workers=4,threads=4 --rate 300 --hours 24"
        " --max-age 0 --max-age 60 --max-age none",
        "answer without a file",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fleet", nargs="?", type=Path, metavar="FLEET", help="a TOML file")
    parser.add_argument("--example", action="store_true", help="print a file to start from, and do nothing else")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder of the answer (default: fleets/DATE-TIME)")
    add_fleet_arguments(parser)
    add_json_argument(parser)
    add_screen_arguments(parser, progress=True)


def execute(arguments: argparse.Namespace) -> int:
    if arguments.example:
        print(EXAMPLE, end="")
        return 0
    fleet = read_fleet_of(arguments)
    return 0
