"""Turns the first SIGINT, SIGTERM or SIGHUP into an exception, and lets nothing disturb the cleaning up after it.

What `nohup` has told to be ignored stays ignored: a long run goes on when its terminal closes.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from loadlab.errors import StoppedError, TerminatedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

STOPPING = {signal.SIGINT: StoppedError, signal.SIGTERM: TerminatedError, signal.SIGHUP: TerminatedError}
IMPORTING: Final = "<frozen importlib._bootstrap>"
LATER_SECONDS: Final = 0.002
DISTURBING: Final = (*STOPPING, signal.SIGALRM)  # the last: one of them, put off


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, the signals raise StoppedError once; outside, they do what they did before.

    Once one has come they stay ignored: all that is left is to say so and to end with the right code. While a module
    is being imported the exception waits: many a module swallows what comes while it tries another.
    """
    before = {number: signal.getsignal(number) for number in STOPPING}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]

    came: list[signal.Signals] = []
    raised = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if not came:
            came.append(signal.Signals(number))
            for each in before:
                signal.signal(each, signal.SIG_IGN)
        if _importing(frame):
            signal.setitimer(signal.ITIMER_REAL, LATER_SECONDS)
            return
        raised = True
        raise _stopped(came[0])

    alarm = signal.signal(signal.SIGALRM, stop)
    for number in before:
        signal.signal(number, stop)
    try:
        yield
        if came and not raised:
            raise _stopped(came[0])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        for number, handler in before.items() if not came else ():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let what Python does on a signal wait: it could raise between a program's birth and our taking note of it.

    Not by blocking signals, which the program would inherit. Nor does it inherit that SIGINT is ignored, as it is in a
    lab that a script runs in the background: some servers are stopped by it. Only the main thread hears of any.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in DISTURBING}
    handlers = {number: handler for number, handler in before.items() if callable(handler) or number == signal.SIGINT}
    for number in handlers:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for signalled in came:
            signal.raise_signal(signalled)


def _stopped(by: signal.Signals) -> StoppedError:
    return STOPPING[by](f"Stopped by {by.name}.")


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORTING:
            return True
        frame = frame.f_back
    return False
