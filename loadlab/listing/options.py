"""The options of commands that list connections: `loadlab connections` and `manage.py loadlab_connections`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from argparse import ArgumentParser

BY: Final = ("holder", "opener", "process")  # how rows.GROUPINGS can group
EVERY_SECONDS: Final = 2.0
NO_PAUSE: Final = "--every must be more than 0 seconds, and at most a day."


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--by", choices=BY, default="holder", help="group by (default: holder)")
    parser.add_argument("--all", action="store_true", help="give each connection its own row")
    parser.add_argument("--watch", action="store_true", help="list again and again, until Ctrl-C")
    parser.add_argument(
        "--every",
        type=float,
        default=EVERY_SECONDS,
        metavar="SECONDS",
        help=f"seconds between two listings of --watch (default: {EVERY_SECONDS:g})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON; with --watch one document per line")
