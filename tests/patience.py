"""How long tests wait for what must come before they fail rather than hang; no test measures anything by it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS: Final = 120.0  # for the busiest of machines
LOOK_SECONDS: Final = 0.01


def await_that(
    holds: Callable[[], object],
    otherwise: str | Callable[[], object] = "",
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Return as soon as it holds; fail with what `otherwise` says if it never does.

    Greenlets of the test's own thread run only if `pause` is gevent's.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, otherwise() if callable(otherwise) else otherwise
        pause(LOOK_SECONDS)
