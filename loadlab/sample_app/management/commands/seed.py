"""`seed`: fill the site with entries, or leave them as they are."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from loadlab.sample_app.models import Entry

ENTRIES = 1000


class Command(BaseCommand):
    help = "Insert the entries that the scenarios read; does nothing when they are there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--entries", type=int, default=ENTRIES)
        parser.add_argument("--migrate", action="store_true", help="create the tables first")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401, ARG002  Django's signature
        if options["migrate"]:
            call_command("migrate", interactive=False, verbosity=options["verbosity"])
        wanted: int = options["entries"]
        with transaction.atomic():
            present = set(Entry.objects.filter(pk__lte=wanted).values_list("pk", flat=True))
            missing = (number for number in range(1, wanted + 1) if number not in present)
            Entry.objects.bulk_create(_entry(number) for number in missing)
        self.stdout.write(f"{wanted} entries")


def _entry(number: int) -> Entry:
    return Entry(pk=number, title=f"Entry {number}", body=f"The body of entry {number}. " * 20)
