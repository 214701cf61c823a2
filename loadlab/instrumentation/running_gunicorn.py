"""Finds the gunicorn that runs this process.

Its options may stand in a file. That is a program, so it is not run here once more.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import FrameType

ARBITER: Final = "gunicorn.arbiter"


def arbiter() -> Any:  # noqa: ANN401  of a package that need not be installed
    """The arbiter on the caller's stack, whose options are in force; None where there is none.

    It is there while a worker loads the project, and while the master does so before it forks. It is not there in
    threads and greenlets that answer requests, nor while gunicorn still reads its options.
    """
    frame: FrameType | None = sys._getframe(1) if ARBITER in sys.modules else None  # noqa: SLF001
    while frame is not None:
        if frame.f_globals.get("__name__") == ARBITER:
            found = frame.f_locals.get("self")
            if hasattr(found, "cfg") and hasattr(found, "worker_class"):
                return found
        frame = frame.f_back
    return None
