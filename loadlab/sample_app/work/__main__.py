"""Sends tasks, as many as each line of the standard input says; with --work it runs them, too, in its own threads."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from types import FrameType


def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  Python's signature
    """End as servers do: orderly."""
    sys.exit(0)


def main(name: str, *options: str) -> None:
    django.setup()
    from loadlab.sample_app.work import library  # noqa: PLC0415  its models want Django to be ready

    module = library(name)
    if "--work" in options:
        signal.signal(signal.SIGTERM, leave)
        module.begin()
    for line in iter(sys.stdin.readline, ""):
        number, size, query = json.loads(line)
        for _ in range(size):
            module.send(number, size, query)


if __name__ == "__main__":
    main(*sys.argv[1:])
