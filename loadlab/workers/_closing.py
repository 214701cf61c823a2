"""A fix that several workers share: what Django does around a request, done around a task."""

from __future__ import annotations

from typing import Final

from loadlab.workers.base import Fix

AROUND_A_TASK: Final = """\
from functools import wraps

from django.db import close_old_connections


def closing(task):
    @wraps(task)
    def closed(*args, **kwargs):
        close_old_connections()
        try:
            return task(*args, **kwargs)
        finally:
            close_old_connections()

    return closed
"""


def closing(what: str) -> Fix:
    """The decorator `closing` on `what`: the age and the health checks of the settings hold there too."""
    return Fix(
        name="closing",
        does=f"Decorate {what} with `closing`, which calls close_old_connections() before and after it: then"
        " CONN_MAX_AGE and CONN_HEALTH_CHECKS hold.",
        code=AROUND_A_TASK,
        ages=(0, 60, None),
    )
