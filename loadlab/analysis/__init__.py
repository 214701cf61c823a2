"""Samples in, findings out: pure functions, no clock, no files, no chance that is not seeded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from loadlab.analysis.contrasts import contrast
    from loadlab.analysis.findings import analyse, findings_of

__all__ = ["analyse", "contrast", "findings_of"]

# Imported when they are first asked for: `loadlab plan` needs the pairs of a plan, and no analysis.
_HOMES: Final = {"analyse": "findings", "contrast": "contrasts", "findings_of": "findings"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
