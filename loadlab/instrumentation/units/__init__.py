"""FAMILY: libraries whose tasks count as units of work, in any project that uses them, without a setting."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation.importing import when_imported
from loadlab.instrumentation.units.base import Library
from loadlab.registry import Family

if TYPE_CHECKING:
    from types import ModuleType

LIBRARIES: Final = Family(__name__, Library)
_workers: set[str] = set()


@cache
def watch() -> None:
    """Count the tasks of each library, from when it is imported on; of others not even our own part is imported."""
    for name in LIBRARIES:
        when_imported(name, partial(_found, name))


def _found(name: str, _package: ModuleType) -> None:
    library = LIBRARIES[name]
    _workers.update(library.workers)
    when_imported(library.module, library.hook)


def runs_tasks(program: str) -> bool:
    """Whether this program or management command is the worker of a library that the process has imported."""
    return program in _workers
