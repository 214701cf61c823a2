"""Finds the requests in flight and their age. It runs once per load, so a request costs nothing more.

A waiting greenlet keeps its stack. If it waits inside a client's function that sends a request, the calling function
holds the start of the request.
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
    FastHttpSession._send_request_safe_mode.__code__: "start_perf_counter",  # noqa: SLF001  no public one exists
    HttpSession._send_request_safe_mode.__code__: "start_perf_counter",  # noqa: SLF001
}


def requests_in_flight() -> list[tuple[greenlet, float]]:
    """Each greenlet that waits for a response, with its waiting time in seconds; users' own greenlets included."""
    now = time.perf_counter()
    began = ((waiting, _began(waiting)) for waiting in _greenlets())
    return [(waiting, now - instant) for waiting, instant in began if instant is not None]


def _greenlets() -> Iterator[greenlet]:
    # By type, not by isinstance: isinstance resolves proxies such as Flask's, and they raise.
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
