"""The `loadlab` command."""

import atexit
import gc
import os
import signal
import sys
from types import FrameType

from loadlab.system.search_path import own_modules_first


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  a handler's signature
    """End at once: nothing has been started yet, and an exception could be swallowed by what is being imported."""
    os.write(2, f"loadlab: Stopped by {signal.Signals(number).name}.\n".encode())
    os._exit(128 + number if number == signal.SIGINT else 143)


def main() -> int:
    # Before anything else is imported, for that takes a second or more on a busy machine.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGINT:
            signal.signal(number, _leave)
    atexit.register(gc.freeze)  # all is freed with the process: nothing to search it for
    gc.disable()
    own_modules_first()
    from loadlab import cli  # noqa: PLC0415  see above

    gc.freeze()  # modules stay: there is nothing to search among them
    gc.enable()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
