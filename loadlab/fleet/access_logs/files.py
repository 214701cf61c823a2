"""The lines of log files: found by name or glob, decompressed, in blocks of bounded size."""

from __future__ import annotations

import glob
import importlib
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import UsageError
from loadlab.model.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

STDIN: Final = "-"
BLOCK_BYTES: Final = 1 << 20
LONGEST_BYTES: Final = 1 << 20  # of a line; access logs have lines of some kilobytes at most
# The module that opens files of a suffix, and its error for one that is damaged.
COMPRESSED: Final = {
    ".gz": ("gzip", "BadGzipFile"),
    ".zst": ("compression.zstd", "ZstdError"),
    ".zstd": ("compression.zstd", "ZstdError"),
}


def beside(folder: Path, pattern: str) -> str:
    """The pattern of files, found from `folder`; standard input stays."""
    return pattern if pattern == STDIN else str(folder / expanded(pattern))


def named(patterns: list[str]) -> list[str]:
    """The files of all patterns, each once.

    Raises:
        UsageError: there is none for one of them.
    """
    return list(dict.fromkeys(name for pattern in patterns for name in _matching(pattern)))


def _matching(pattern: str) -> list[str]:
    if pattern == STDIN or _is_log(pattern):
        return [pattern]
    names = sorted(filter(_is_log, glob.glob(pattern, recursive=True)))  # noqa: PTH207  a pattern may be absolute
    if names:
        return names
    if Path(pattern).is_dir():
        raise UsageError(f"{pattern} is a folder. Give a glob of its logs, such as {Path(pattern) / 'access.log*'}.")
    raise UsageError(f'There is no log "{pattern}". Give the path of a file, a glob, or "-" for standard input.')


def _is_log(name: str) -> bool:
    """A pipe is one too, such as a shell makes of <(zstdcat access.log.zst)."""
    return Path(name).exists() and not Path(name).is_dir()


def lines_of(name: str) -> Iterator[list[bytes]]:
    """All lines of a file, without their ends, in blocks.

    Raises:
        UsageError: it cannot be read.
    """
    rest = b""
    number = 0
    with _opened(name) as file:
        for block in _blocks(file):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            number += len(lines)
            if len(rest) > LONGEST_BYTES:
                raise UsageError(f"{name}, line {number + 1} is longer than 1 MiB. Is it an access log?")
            yield lines
    if rest:
        yield [rest]


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """A file whose bytes are decompressed; all that goes wrong in reading them is a UsageError."""
    opener, damage = _opener(name)
    try:
        if name == STDIN:
            yield sys.stdin.buffer
        else:
            with opener(name, "rb") as file:
                yield file
    except (EOFError, zlib.error, damage) as error:
        raise UsageError(
            f"{name} is damaged: it cannot be decompressed to its end. Copy it again, or leave it out."
        ) from error
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}.") from error


def _opener(name: str) -> tuple[Callable[..., Any], type[Exception]]:
    module, damage = COMPRESSED.get(Path(name).suffix, ("io", "UnsupportedOperation"))
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        message = (
            f'{name} needs a Python with {module} (3.14). Decompress it: zstdcat {name} | loadlab fleet, with "-".'
        )
        raise UsageError(message) from error
    return found.open, getattr(found, damage)
