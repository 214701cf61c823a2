"""What a Locust file and a project contain, in short: the same text for the same content."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FILES: Final = 20_000
SHOWN: Final = 16  # digits of a digest
PASSED_OVER: Final = {"node_modules", "__pycache__", "site-packages"}


def file_digest(path: Path) -> str:
    return f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:SHOWN]}"


def python_files(folder: Path) -> str:
    """How many Python files a project has, and a digest over their names and contents.

    Virtualenvs, hidden folders and what is installed are passed over, and so are links.
    """
    digest, count = hashlib.sha256(), 0
    for path in _python_files(folder):
        if count == MOST_FILES:
            return f"more than {MOST_FILES:,}, not compared"
        count += 1
        name = os.fsencode(path.relative_to(folder))
        content = _content(path)
        digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)
    return f"{count:,}, sha256 {digest.hexdigest()[:SHOWN]}"


def _content(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes() if path.is_file() else b""
    return b""


def _python_files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        inner = [name for name in sorted(folders) if name not in PASSED_OVER and not name.startswith(".")]
        folders[:] = [name for name in inner if not os.path.lexists(Path(root, name, "pyvenv.cfg"))]
        found = (Path(root, name) for name in sorted(files) if name.endswith(".py"))
        yield from (path for path in found if not path.is_symlink())
