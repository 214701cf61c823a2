"""Says which console scripts of Django projects are installed in this Python, and which file each begins in."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import Distribution, distributions
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DJANGO: Final = re.compile(r"django\b(?!-)", re.IGNORECASE)


def console_scripts() -> Iterator[tuple[str, str]]:
    """Pairs of name and file; nothing is imported."""
    for distribution in distributions():
        if any(map(_DJANGO.match, distribution.requires or ())):
            for name, path in _starts(distribution):
                if path.is_file():
                    yield name, str(path)


def _starts(distribution: Distribution) -> Iterator[tuple[str, Path]]:
    for entry in distribution.entry_points:
        if entry.group == "console_scripts":
            module = entry.value.partition(":")[0].replace(".", "/")
            for file in (f"{module}.py", f"{module}/__init__.py"):
                yield entry.name, distribution.locate_file(file)  # type: ignore[misc]
    for path in distribution.files or ():
        if path.parent.name in {"bin", "Scripts"} and path.suffix == ".py":
            yield path.name, distribution.locate_file(path)  # type: ignore[misc]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(list(console_scripts())))
