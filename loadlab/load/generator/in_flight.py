"""Which requests are under way at this moment, and since when; asked once per load, it costs no request anything.

A greenlet that waits keeps its stack. If it waits inside one of the clients' functions that send a request, the
function that called it knows when it began.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Final

from greenlet import greenlet
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession

from loadlab.load.http.client import HttpClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

# The function that sends → where its caller keeps time.perf_counter() of the start.
SENDS: Final[dict[CodeType, str]] = {
    HttpClient.request.__code__: "started",
    FastHttpSession._send_request_safe_mode.__code__: "start_perf_counter",  # noqa: SLF001  there is no public one
    HttpSession._send_request_safe_mode.__code__: "start_perf_counter",  # noqa: SLF001
}


def requests_in_flight() -> list[tuple[greenlet, float]]:
    """Each greenlet that waits for an answer, and for how many seconds it has; greenlets of a user's own included."""
    now = time.perf_counter()
    began = ((waiting, _began(waiting)) for waiting in _greenlets())
    return [(waiting, now - instant) for waiting, instant in began if instant is not None]


def _greenlets() -> Iterator[greenlet]:
    # By type, not by isinstance: that asks proxies such as Flask's what they stand for, and they raise.
    return (thing for thing in gc.get_objects() if issubclass(type(thing), greenlet))


def _began(waiting: greenlet) -> float | None:
    frame: FrameType | None = waiting.gr_frame  # None of one that has ended, has not begun, or asks this
    while frame is not None:
        name = SENDS.get(frame.f_code)
        frame = frame.f_back
        if name is not None and frame is not None:
            began = frame.f_locals.get(name)
            return began if isinstance(began, float) else None
    return None
