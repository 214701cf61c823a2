"""The lines between the lab and a generator, over a socket that no standard stream is part of.

A Locust file may print, log to standard output, or start programs that do: all of that goes to the log.
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
    """One end. Says and hears one line at a time; to wait without hearing, use `fileno`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._closed = False

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Our end, and the one to pass to a generator as `OPTION`; close that one once it has been passed."""
        ours, theirs = (end.detach() for end in socket.socketpair())
        for end in (ours, theirs):
            os.set_blocking(end, True)  # gevent's, in a process that it has patched, do not block
        return cls(ours), cls(theirs)

    @classmethod
    def inherited(cls, descriptor: int) -> Self:
        """The end that was passed to this process; what this process starts does not get it.

        Standard output becomes a log: written at once, because load processes end without a farewell.
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
            BrokenPipeError: the other end is gone.
        """
        rest = f"{' '.join(map(str, words))}\n".encode()
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def receive(self) -> str:
        """The next line, without its end; empty when the other end is gone."""
        line = b""
        # Byte by byte: what a buffer held back, a forked child or a selector would not see.
        while (byte := self._read_byte()) and byte != b"\n":
            line += byte
        return line.decode()

    def _read_byte(self) -> bytes:
        try:
            return os.read(self._descriptor, 1)
        except ConnectionResetError:  # it ended before it had read all that we said
            return b""

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._descriptor)

    def __del__(self) -> None:
        # With the last who waits for it: a descriptor that is closed under a waiting greenlet never wakes it.
        self.close()
