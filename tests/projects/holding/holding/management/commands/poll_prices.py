"""Asks for prices for ever."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand
from django.db import transaction

from holding.asking import ask

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--in-transaction", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        while True:
            with transaction.atomic() if options["in_transaction"] else nullcontext():
                ask()
                time.sleep(3600)
