"""List this project's open connections: whose each is, and why it is open."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, cast

from django.core.management.base import BaseCommand, CommandError

from loadlab.instrumentation import current
from loadlab.instrumentation.asking import asked_listing
from loadlab.instrumentation.listing import listing
from loadlab.listing.documents import with_causes
from loadlab.listing.options import NO_PAUSE, add_options
from loadlab.listing.table import as_text
from loadlab.model.text import escaped_in_json
from loadlab.system.redrawing import is_pause, redraw

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from loadlab.model.open_connections import Listing
    from loadlab.system.redrawing import Output


class Command(BaseCommand):
    help = (
        "List this project's open connections: who holds each, which route, task or command opened it, what the"
        " database says of it, and why it is open. Nothing is written."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_options(parser)
        parser.add_argument("--ledgers-only", action="store_true", help="do not ask the database for its sessions")

    def handle(self, **options: Any) -> None:  # noqa: ANN401
        if not is_pause(options["every"]):
            raise CommandError(NO_PAUSE)
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a sign still gets the rest
        try:
            self._show(options)
        except BrokenPipeError:
            # The reader has gone: discard what Python still writes when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _show(self, options: dict[str, Any]) -> None:
        if options["watch"]:
            with suppress(KeyboardInterrupt):
                redraw(cast("Output", self.stdout), lambda width: self._text(options, width), options["every"])
        else:
            self.stdout.write(self._text(options, None, indent=1))
            self.stdout.flush()

    def _text(self, options: dict[str, Any], width: int | None, indent: int | None = None) -> str:
        found = self._listing(asking=not options["ledgers_only"])
        if options["json"]:
            return escaped_in_json(json.dumps(with_causes(found), indent=indent))
        return as_text(found, options["by"], each=options["all"], width=width)

    def _listing(self, *, asking: bool) -> Listing:
        try:
            return asked_listing() if asking else listing()
        except OSError as error:
            raise CommandError(
                f"The ledgers in {_folder()} cannot be read: {error}. Name another folder in LOADLAB['LEDGER_DIR']."
            ) from error


def _folder() -> str:
    with suppress(OSError):
        return str(current.directory())
    return "the temporary folder"
