"""A command that waits for work, does it, and waits again."""

from __future__ import annotations

import json
import logging
import sys

from django.core.management.base import BaseCommand

from loadlab.sample_app.work import fixed, perform


class Command(BaseCommand):
    help = "Do as many tasks as each line of the standard input says."

    def handle(self, *args: object, **options: object) -> None:  # noqa: ARG002  Django's signature
        work = fixed("closing", lambda task: task)(perform)
        for line in iter(sys.stdin.readline, ""):
            number, size, query = json.loads(line)
            for _ in range(size):
                try:
                    work(number, size, query)
                except Exception:  # the next one may be fine
                    logging.getLogger(__name__).exception("A task failed:")
