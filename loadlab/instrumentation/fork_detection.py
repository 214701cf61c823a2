"""Tells a forked child from the process that forked it, at the price of one look into memory.

Python's own hook after a fork does not run where a fork is made in C, as uWSGI makes it. The kernel is asked instead
for a page that every child finds zeroed.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import Final, Protocol

WIPE_ON_FORK: Final = 18  # MADV_WIPEONFORK of Linux 4.14 and newer, which Python's mmap does not name
MARKED: Final = 1


class ForkDetector(Protocol):
    """`mark[0]` is true in the process that has made the mark, and false in every other."""

    def __getitem__(self, index: int, /) -> int: ...


class _Pid:
    """Where the kernel wipes no pages: asks for the process id, which costs a system call."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __getitem__(self, index: int, /) -> int:
        return os.getpid() == self._pid


def fork_detector() -> ForkDetector:
    """A mark of the calling process."""
    if sys.platform != "linux":
        return _Pid()
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        page.madvise(WIPE_ON_FORK)
    except OSError:  # an older kernel, or a sandbox that has no such advice
        return _Pid()
    page[0] = MARKED
    return page
