"""How an error is told: what is wrong, and what to do next in the last line."""

from __future__ import annotations

import sys

from loadlab.model.text import printable, redacted


def say(error: Exception) -> None:
    for line in (f"loadlab: {error}", *getattr(error, "__notes__", ())):
        print(printable(redacted(line)), file=sys.stderr)
