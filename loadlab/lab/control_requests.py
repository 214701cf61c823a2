"""Repeats a control request until every worker has handled it: the server chooses which of them answers."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.clients import ask_for_number
from loadlab.settings_override.configuration import COLLECT_PATH, KEEP_GARBAGE_PATH, TOKEN_HEADER
from loadlab.system.background import together

if TYPE_CHECKING:
    from loadlab.lab.application import ServedApplication

PATIENCE_SECONDS: Final = 60.0
AT_ONCE: Final = 3  # requests for each process: one alone would nearly always go to the same idle worker


def collect_garbage(application: ServedApplication, processes: int) -> None:
    """Have each of so many processes collect its garbage.

    Raises:
        EnvironmentFaultError: not all of them answer.
    """
    _repeat(application, COLLECT_PATH, processes)


def keep_garbage(application: ServedApplication, processes: int) -> None:
    """Have each of so many processes collect no garbage any more, unless it is told to.

    Raises:
        EnvironmentFaultError: not all of them answer.
    """
    _repeat(application, KEEP_GARBAGE_PATH, processes)


def _repeat(application: ServedApplication, path: str, processes: int) -> None:
    headers = {TOKEN_HEADER: application.token}
    answered: set[int] = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(answered) < processes:
        if time.monotonic() > deadline:
            raise EnvironmentFaultError(
                f"Only {len(answered)} of {processes} processes of {application.program.name} answered to {path} within"
                f" {PATIENCE_SECONDS:g} s. The server's log ends:\n{application.program.log_tail()}"
            )
        ask = [partial(ask_for_number, application.port, path, headers)] * (AT_ONCE * processes if processes > 1 else 1)
        answered |= set(together(ask)) - {0}
