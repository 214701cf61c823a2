"""Spells durations as people say them."""

from __future__ import annotations

from typing import Final

MINUTE: Final = 60  # seconds
HOUR: Final = 3600


def elapsed(seconds: float) -> str:
    """How long something took, or has lasted.

    >>> elapsed(324.4), elapsed(59.6), elapsed(3700)
    ('5 min 24 s', '1 min 0 s', '1 h 1 min')
    """
    whole, left = divmod(round(seconds), MINUTE)
    if whole >= HOUR // MINUTE:
        return f"{whole // 60} h {whole % 60} min"
    return f"{whole} min {left} s" if whole else f"{left} s"
