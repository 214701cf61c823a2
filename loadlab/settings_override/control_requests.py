"""What the lab may ask of a target's process, answered before Django: is it ready, and what to do with its garbage."""

from __future__ import annotations

import gc
import os
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from loadlab.settings_override.application import OVERLAY
from loadlab.settings_override.configuration import COLLECT_PATH, KEEP_GARBAGE_PATH, READY_PATH

if TYPE_CHECKING:
    from collections.abc import Callable

ORDERS: Final[dict[str, Callable[[], object]]] = {COLLECT_PATH: gc.collect, KEEP_GARBAGE_PATH: gc.disable}


def answer(path: str, token: bytes) -> bytes | None:
    """The lab's answer to a request; None where the project is to answer.

    An order is for whoever knows the process's token. Nobody can choose which process of a server an order goes to,
    and so the one that has carried it out says its pid.
    """
    known = OVERLAY.token.encode()
    if path == READY_PATH:
        return known
    if path not in ORDERS or not known or not compare_digest(token, known):
        return None
    ORDERS[path]()
    return str(os.getpid()).encode()
