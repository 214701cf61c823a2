"""How every page of HTML is made: all values are escaped, numbers have their one spelling, and none may be missing."""

from __future__ import annotations

from contextlib import suppress
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from loadlab.errors import EnvironmentFaultError
from loadlab.model.text import printable
from loadlab.report import numbers
from loadlab.system.state_folder import state_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jinja2.bccache import Bucket

_CELL: Final = "\0"  # between two cells; no text that is shown has it


def dense_rows(rows: Iterable[Sequence[str]]) -> Markup:
    """The rows of a long table, small: columns have no classes, and HTML itself ends each cell and row.

    >>> print(dense_rows([("1", "a & b")]))
    <tr><th scope=row>1<td>a &amp; b
    """
    return Markup("\n").join(_dense_row(row) for row in rows)


def _dense_row(row: Sequence[str]) -> Markup:
    text = _CELL.join(row)
    if not text.replace(_CELL, "").isprintable():
        text = _CELL.join(map(printable, row))
    return Markup("<tr><th scope=row>" + str(escape(text)).replace(_CELL, "<td>"))  # noqa: S704  escaped


class _KeptCode(FileSystemBytecodeCache):
    """The code that templates were compiled to, in the lab's folder: to compile one takes longer than to fill it."""

    @classmethod
    def of_this_user(cls) -> _KeptCode | None:
        """None where nothing can be kept."""
        try:
            folder = state_directory() / "templates"
            folder.mkdir(mode=0o700, exist_ok=True)
        except (EnvironmentFaultError, OSError):
            return None
        return cls(str(folder))

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except (OSError, ValueError, EOFError, TypeError, UnpicklingError):  # damaged
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):  # a full disk
            super().dump_bytecode(bucket)


def templates(package: str) -> Environment:
    """The templates of a package, from its folder `templates`."""
    return Environment(
        loader=PackageLoader(package),
        bytecode_cache=_KeptCode.of_this_user(),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=numbers.shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
