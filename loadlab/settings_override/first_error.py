"""Writes the first error of a process to the server's log; a project's own logging may send errors elsewhere."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Final

from django.core.signals import got_request_exception

from loadlab.settings_override.configuration import FIRST_ERROR

LOGGERS: Final = ("django.security", "django.security.DisallowedHost")  # a project may have silenced either


class _First(logging.Handler):
    """What Django itself refuses, e.g. a Host that is not in ALLOWED_HOSTS."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(record.getMessage())


def say_first_error() -> None:
    """Write the next error, and only that one."""
    got_request_exception.connect(_raised, weak=False)
    for name in LOGGERS:
        logging.getLogger(name).addHandler(_FIRST)


def _raised(**_: object) -> None:
    _say(traceback.format_exc())


def _say(words: str) -> None:
    got_request_exception.disconnect(_raised)
    for name in LOGGERS:
        logging.getLogger(name).removeHandler(_FIRST)
    sys.stderr.write(f"{FIRST_ERROR}\n{words.rstrip()}\n{FIRST_ERROR}\n")
    sys.stderr.flush()


_FIRST: Final = _First(level=logging.ERROR)
