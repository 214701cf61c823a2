"""The control socket between the lab and a generator: one line per message, apart from the standard streams.

A Locust file can print, log, or start programs that do. Standard output and error therefore go to the log.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Self

OPTION: Final = "--control-socket"  # and the number of an inherited descriptor


class ControlSocket:
    """One end. It sends and receives one line at a time; to wait without receiving, use `fileno`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._closed = False

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Our end, and the end to pass to a generator as `OPTION`; close that one when it has been passed."""
        ours, theirs = (end.detach() for end in socket.socketpair())
        for end in (ours, theirs):
            os.set_blocking(end, True)  # gevent's, in a process that it has patched, do not block
        return cls(ours), cls(theirs)

    @classmethod
    def inherited(cls, descriptor: int) -> Self:
        """The end that was passed to this process; its own children do not inherit it.

        Standard output becomes a log that is flushed at each line, because load processes end without cleaning up.
        """
        os.set_inheritable(descriptor, False)  # noqa: FBT003
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
        return cls(descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def send(self, *words: object) -> None:
        """Send words as one line.

        Raises:
            BrokenPipeError: the other end has closed.
        """
        rest = f"{' '.join(map(str, words))}\n".encode()
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def receive(self) -> str:
        """The next line without its line end; empty when the other end has closed."""
        line = b""
        # Byte by byte: a buffer would hide bytes from a forked child and from a selector.
        while (byte := self._read_byte()) and byte != b"\n":
            line += byte
        return line.decode()

    def _read_byte(self) -> bytes:
        try:
            return os.read(self._descriptor, 1)
        except ConnectionResetError:  # it ended before it had read everything
            return b""

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._descriptor)

    def __del__(self) -> None:
        # Only when nothing waits for it: closing a descriptor never wakes a greenlet that waits on it.
        self.close()
