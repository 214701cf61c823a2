"""List this project's open connections: whose each is, and why it is open."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from loadlab.errors import EnvironmentFaultError, StoppedError, UsageError
from loadlab.instrumentation.management import command
from loadlab.listing.options import NO_PAUSE, add_options

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from loadlab.model.open_connections import Listing
    from loadlab.system.redrawing import Output


class Command(command.Command):
    help = (
        "List this project's open connections: who holds each, which route, task or command opened it, what the"
        " database says of it, and why it is open. Nothing is written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_options(parser)
        parser.add_argument("--ledgers-only", action="store_true", help="do not ask the database for its sessions")

    def handle(self, **options: Any) -> None:  # noqa: ANN401
        from loadlab.system.redrawing import is_pause, redraw

        if not is_pause(options["every"]):
            raise UsageError(NO_PAUSE)
        if options["watch"]:
            with suppress(StoppedError):  # the usual end
                redraw(cast("Output", self.stdout), lambda width: self._text(options, width), options["every"])
        else:
            self.stdout.write(self._text(options, None, indent=1))

    def _text(self, options: dict[str, Any], width: int | None, indent: int | None = None) -> str:
        from loadlab.listing.documents import with_causes
        from loadlab.listing.table import as_text
        from loadlab.model.text import escaped_in_json

        found = self._listing(asking=not options["ledgers_only"])
        if options["json"]:
            return escaped_in_json(json.dumps(with_causes(found), indent=indent))
        return as_text(found, options["by"], each=options["all"], width=width)

    def _listing(self, *, asking: bool) -> Listing:
        from loadlab.instrumentation.asking import asked_listing
        from loadlab.instrumentation.listing import listing

        try:
            return asked_listing() if asking else listing()
        except OSError as error:
            raise EnvironmentFaultError(
                f"The ledgers in {_folder()} cannot be read: {error}. Name another folder in LOADLAB['LEDGER_DIR']."
            ) from error


def _folder() -> str:
    from loadlab.instrumentation import current

    with suppress(OSError):
        return str(current.directory())
    return "the temporary folder"
