"""A load worker whose clock is another host's: ahead of this one's, and further once a file is there."""

import sys
import time
from pathlib import Path

from loadlab.load.distributed.worker import work

port, ahead_seconds, leap = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
LEAP_SECONDS = 7.0


def clock() -> float:
    return time.monotonic() + ahead_seconds + (LEAP_SECONDS if leap.exists() else 0.0)


work("127.0.0.1", port, clock)
