"""Keeps loadlab's own modules before those on PYTHONPATH, which are a project's or a Locust file's."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

VARIABLE = "PYTHONPATH"


def own_modules_first() -> None:
    """In this process: what PYTHONPATH names is found, but only where loadlab's own Python has no such module."""
    theirs = {Path(entry).resolve() for entry in os.environ.get(VARIABLE, "").split(os.pathsep) if entry}
    sys.path.sort(key=lambda entry: Path(entry).resolve() in theirs)  # a stable sort


def own_environment() -> dict[str, str]:
    """The environment of another process of loadlab's own, in which it is so too."""
    given = os.environ.get(VARIABLE)
    if not given:
        return dict(os.environ)
    own = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    return {**os.environ, VARIABLE: os.pathsep.join([*own, given])}
