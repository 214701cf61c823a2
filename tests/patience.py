"""How long tests wait for what must come before they fail rather than hang; no test measures anything by it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS: Final = 120.0  # for the busiest of machines
LOOK_SECONDS: Final = 0.01


def await_that(holds: Callable[[], bool], otherwise: str = "") -> None:
    """Return as soon as it holds; fail with the words `otherwise` if it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(LOOK_SECONDS)
