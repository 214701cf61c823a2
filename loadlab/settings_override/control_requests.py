"""Responds to the lab's own requests before Django sees them: readiness, and control of the garbage collector."""

from __future__ import annotations

import gc
import os
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from loadlab.settings_override.application import OVERRIDE
from loadlab.settings_override.configuration import COLLECT_PATH, KEEP_GARBAGE_PATH, READY_PATH

if TYPE_CHECKING:
    from collections.abc import Callable

CONTROL_REQUESTS: Final[dict[str, Callable[[], object]]] = {COLLECT_PATH: gc.collect, KEEP_GARBAGE_PATH: gc.disable}


def respond(path: str, token: bytes) -> bytes | None:
    """The response to a request of the lab; None for a request to the project.

    A control request needs the token of the process. The server chooses which of its workers gets it, so the response
    is the pid of the worker that has handled it.
    """
    known = OVERRIDE.token.encode()
    if path == READY_PATH:
        return known
    if path not in CONTROL_REQUESTS or not known or not compare_digest(token, known):
        return None
    CONTROL_REQUESTS[path]()
    return str(os.getpid()).encode()
