"""List a project's open connections: whose each is, and why it is open.

It reads the listing that loadlab's instrumentation serves beside the project's metrics, or the ledgers in a folder of
this machine. Where --dsn names the database, it joins them with pg_stat_activity. Nothing is written.

If some of several hosts give no listing, it lists the others, names these, and exits with 3.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from loadlab.cli._database import AskedDatabase, NotAskedError
from loadlab.cli._hosts import AskedHosts, require_all
from loadlab.errors import EnvironmentFaultError, StoppedError, UsageError
from loadlab.listing.options import NO_PAUSE, add_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from loadlab.model.open_connections import Listing

EXAMPLES: Final = (
    ("loadlab connections --metrics http://127.0.0.1:8000/metrics", "list the open connections of a project"),
    (
        "loadlab connections --metrics http://127.0.0.1:8000/metrics --dsn env:DATABASE_URL --watch",
        "also ask PostgreSQL for its sessions, until Ctrl-C",
    ),
    (
        "loadlab connections --metrics http://web-1:9182/metrics --metrics http://web-2:9182/metrics --allow-remote",
        "list those of two hosts together",
    ),
    ("loadlab connections --ledgers /var/lib/shop/ledgers", "read the ledgers of a folder on this machine"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics",
        action="append",
        metavar="URL",
        help="the address of the project's metrics; may be given repeatedly",
    )
    parser.add_argument("--ledgers", metavar="DIR", help="the folder of the project's ledgers, instead of --metrics")
    parser.add_argument("--token", metavar="env:NAME", help="the environment variable with the token of the metrics")
    parser.add_argument(
        "--dsn",
        metavar="REF",
        help="also ask PostgreSQL for its sessions: env:NAME or service=NAME",
    )
    add_options(parser)
    parser.add_argument("--allow-remote", action="store_true", help="allow --metrics and --dsn to name other hosts")


def execute(arguments: argparse.Namespace) -> int:
    with ExitStack() as resources:
        lister = _Lister(arguments, resources)
        if arguments.watch:
            with suppress(StoppedError):  # the usual end
                lister.watch()
            return 0
        try:
            found = lister.listing()
        except NotAskedError:
            print(_text(lister.listing(asking=False), arguments))
            raise
        print(_text(found, arguments))
        require_all(found)
    return 0


def _text(found: Listing, arguments: argparse.Namespace, width: int | None = None) -> str:
    from loadlab.listing.documents import with_causes
    from loadlab.listing.table import as_text
    from loadlab.model.text import escaped_in_json

    if arguments.json:
        return escaped_in_json(json.dumps(with_causes(found), indent=None if arguments.watch else 1))
    return as_text(found, arguments.by, each=arguments.all, width=width)


class _Lister:
    """Reads the project's listing, and joins it with the sessions of a database if one is named.

    Raises:
        UsageError: one of the two is not named as it should be.
    """

    def __init__(self, arguments: argparse.Namespace, resources: ExitStack) -> None:
        from loadlab.scrape import require_address, token_of
        from loadlab.system.redrawing import is_pause

        if bool(arguments.metrics) == bool(arguments.ledgers):
            raise UsageError("Name the project with --metrics URL, or its ledgers with --ledgers DIR: one of the two.")
        if not is_pause(arguments.every):
            raise UsageError(NO_PAUSE)
        self._arguments = arguments
        self._urls = list(dict.fromkeys(arguments.metrics or ()))
        for url in self._urls:
            require_address("--metrics", url, allow_remote=arguments.allow_remote)
        self._token = token_of(arguments.token)
        self._database = AskedDatabase(arguments.dsn, resources, allow_remote=arguments.allow_remote)

    def listing(self, *, asking: bool = True) -> Listing:
        """What is open now.

        Raises:
            EnvironmentFaultError: no host of the project answers.
            NotAskedError: the database does not.
        """
        from loadlab.instrumentation.open_connections import listed_with

        read = self._reader()
        return listed_with(read, self._database.sessions) if asking and self._database.is_named else read()

    def watch(self) -> None:
        """List again and again. The first listing must succeed; what keeps a later one from it is shown in its place.

        Raises:
            EnvironmentFaultError: the first one cannot be made.
        """
        from loadlab.system.redrawing import redraw

        first = [self.listing()]
        redraw(sys.stdout, lambda width: self._now(first, width), self._arguments.every)

    def _now(self, first: list[Listing], width: int | None) -> str:
        from loadlab.model.text import printable, redacted

        try:
            return _text(first.pop() if first else self.listing(), self._arguments, width)
        except EnvironmentFaultError as error:
            said = printable(redacted(str(error)))
            return json.dumps({"error": said}) if self._arguments.json else said

    def _reader(self) -> Callable[[], Listing]:
        """What reads the project's processes, for one listing."""
        if self._arguments.ledgers:
            return partial(_of_folder, self._arguments.ledgers)
        return AskedHosts(self._urls, self._token).read


def _of_folder(name: str) -> Listing:
    """What the ledgers in a folder say; the project's settings are not known here.

    Raises:
        UsageError: it holds none.
        EnvironmentFaultError: it cannot be read.
    """
    from pathlib import Path

    from loadlab.instrumentation.open_connections import listing_of

    folder = Path(name)
    try:
        if not any(one.suffix == ".ledger" or one.name == "archive.json" for one in folder.iterdir()):
            raise UsageError(f"{folder} holds no ledgers. Name the folder of LOADLAB['LEDGER_DIR'].")
        return listing_of(folder, {})
    except NotADirectoryError as error:
        raise UsageError(f"{folder} is not a folder. Name the folder of LOADLAB['LEDGER_DIR'].") from error
    except FileNotFoundError as error:
        raise UsageError(f"{folder} does not exist. Name the folder of LOADLAB['LEDGER_DIR'].") from error
    except OSError as error:
        what = f"{folder} cannot be read: {error.strerror}. Run this as the user of the site."
        raise EnvironmentFaultError(what) from error
