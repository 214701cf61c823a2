"""Takes what a target gives back while others have all that there is, as clients that wait for it do."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg2

from loadlab.system.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable

FILL_SECONDS: Final = 30.0  # within which all has to be taken
REFILL_SECONDS: Final = 0.01


class Refilling(Background):
    """A context that calls `refill` again and again, in a thread; an error of the database's ends that."""

    def __init__(self, name: str, refill: Callable[[], object]) -> None:
        super().__init__(name)
        self._refill = refill

    def _run(self) -> None:
        with suppress(psycopg2.Error):
            while not self._stop.wait(REFILL_SECONDS):
                self._refill()
