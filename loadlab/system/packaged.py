"""Finds the scenarios, plans and dashboards: in the package where it is installed, beside it in a clone."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_INSTALLED: Final = _PACKAGE / "_data"  # setup.py puts them there


def packaged(folder: Literal["locustfiles", "plans", "dashboards"]) -> Path:
    """The folder of that name, with everything that loadlab ships in it."""
    return (_INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent) / folder
