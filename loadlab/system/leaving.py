"""Ends a process at once on a signal, as long as it has nothing to clean up. Imported first, so it imports little."""

import os
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def leave_on_signals() -> None:
    """Until others handle them; what is ignored stays ignored, but for SIGINT."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGINT:
            signal.signal(number, _leave)


def leave_on_interrupt() -> None:
    """The same on SIGINT alone, in place of Python's own handler and of no other."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        try:
            signal.signal(signal.SIGINT, _leave)
        except ValueError:  # in a thread that is not the main one, which has no say
            return


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  a handler's signature
    """No exception, which could be swallowed by what is being imported."""
    os.write(2, f"loadlab: Stopped by {signal.Signals(number).name}.\n".encode())
    os._exit(130 if number == signal.SIGINT else 143)
