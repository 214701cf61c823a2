"""Turns the first SIGINT, SIGTERM or SIGHUP into an exception, and lets nothing disturb the cleaning up after it.

What `nohup` has told to be ignored stays ignored: a long run goes on when its terminal closes.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loadlab.errors import StoppedError, TerminatedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

STOPPING = {signal.SIGINT: StoppedError, signal.SIGTERM: TerminatedError, signal.SIGHUP: TerminatedError}


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, the signals raise StoppedError once; outside, they do what they did before.

    Once one has come they stay ignored: all that is left is to say so and to end with the right code.
    """
    before = {number: signal.getsignal(number) for number in STOPPING}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]

    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  a handler's signature
        nonlocal stopped
        stopped = True
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise STOPPING[signal.Signals(number)](f"Stopped by {signal.Signals(number).name}.")

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items() if not stopped else ():
            signal.signal(number, handler)
