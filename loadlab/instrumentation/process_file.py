"""A file that one process writes, mapped into its memory, which survives any end of the process."""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ProcessFile:
    """A new file of this process in `directory`; with None, memory that no reader finds.

    The lock on the file is held as long as the process lives: the kernel lets go of it at any kind of death, so
    a reader that gets the lock knows that the owner is gone, without asking for pids.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, directory: Path | None, suffix: str) -> None:
        self._file: int | None = None
        self._lock_file: int | None = None
        self._published = False
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            # No clock in the name: one that is set back would give it twice, and archives know files by their names.
            self.path = directory / f"{os.getpid()}-{secrets.token_hex(8)}{suffix}"
            self._unborn = self.path.with_suffix(".new")
            self._file = os.open(self._unborn, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                # A second descriptor: mmap duplicates the first, and a forked child would hold the lock through it.
                self._lock_file = os.open(self._unborn, os.O_RDWR)
                fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            except OSError:
                self._abandon()
                raise

    def publish(self) -> None:
        """Let readers find it, which know its beginning from now on."""
        if self._file is not None:
            self._unborn.rename(self.path)
            self._published = True

    def mapped(self, length: int) -> memoryview:
        """So many bytes more of the file, which are there: a store into a hole on a full disk would be a SIGBUS.

        Raises:
            OSError: the disk has no room. A file that was not published is gone then.
        """
        if self._file is None:
            return memoryview(mmap.mmap(-1, length))
        # The file's position says what is taken: it moves in one step, so a signal's handler may map more meanwhile.
        start = os.lseek(self._file, length, os.SEEK_CUR) - length
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file, start, length)
            else:
                os.ftruncate(self._file, max(os.fstat(self._file).st_size, start + length))
        except OSError:
            if not self._published:
                self._abandon()
            raise
        return memoryview(mmap.mmap(self._file, length, offset=start))

    def _abandon(self) -> None:
        """Leave nothing of a file that cannot begin: it may be tried again and again."""
        self._unborn.unlink(missing_ok=True)
        for number in (self._file, self._lock_file):
            if number is not None:
                os.close(number)
        self._file = self._lock_file = None

    def release_after_fork(self) -> None:
        """Let go of the lock that a forked child has inherited; the parent keeps its own hold on it."""
        if self._lock_file is not None:
            os.close(self._lock_file)
