"""What loadlab has to know of a library that runs tasks, to count them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Library(ABC):
    """A library whose tasks or messages count as units of work. Its file is named after its package.

    `module` is the one in which they begin and end: `hook` gets it once it has been imported, and imports nothing.
    `workers` are the programs and management commands of the library that do nothing but tasks.
    """

    module: ClassVar[str]
    workers: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    @abstractmethod
    def hook(module: Any) -> None:  # noqa: ANN401  a module of a library that need not be there
        """Have units begin and end with the library's tasks."""
