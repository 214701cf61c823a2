"""Tells whether a project is still being loaded, which a server may do before it forks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from django.apps import apps

if TYPE_CHECKING:
    from types import FrameType

IMPORT_MACHINERY: Final = "importlib._bootstrap"


def loading() -> bool:
    """Whether the caller runs because a module is imported, or in or before some AppConfig.ready()."""
    return not apps.ready or _importing(sys._getframe(1))  # noqa: SLF001  inspect's own way, without its cost


def _importing(frame: FrameType | None) -> bool:
    """Modules of the project are also loaded after `ready`: those of URLs, of views, of wsgi.py."""
    while frame is not None:
        if frame.f_globals.get("__name__") == IMPORT_MACHINERY:
            return True
        frame = frame.f_back
    return False
