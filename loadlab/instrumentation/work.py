"""Knows the request that the caller works for, in all of its threads and tasks, so that it counts once.

A request begins when the server calls Django's handler. What its thread does until the next one begins belongs to it:
what listens for its start and its end, and streaming. `sync_to_async` and tasks take it along; a thread that a view
starts by itself does not.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

Work = dict[str, object]  # one request: who has counted it, by alias

RUNNING: Final = ""  # a key of a request whose response is not ready
COMING: Final = " "  # of one that Django has announced, and not begun to answer: the request that makes it, if any

_work: ContextVar[Work | None] = ContextVar("loadlab_work", default=None)
present = _work.get  # the request that the caller works for; None outside of requests
become = _work.set  # from now on it works for this one
