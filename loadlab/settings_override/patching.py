"""Lets gevent patch Python as ever, in a third of the time."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def with_known_plugins(patch: Callable[[], None]) -> Callable[[], None]:
    """The same, with plugins for gevent looked up once.

    gevent asks for plugins at each of 25 events of its patching, and each time Python reads the metadata of
    all installed packages.
    """

    def patched() -> None:
        entry_points = metadata.entry_points
        metadata.entry_points = entry_points().select
        try:
            patch()
        finally:
            metadata.entry_points = entry_points

    return patched
