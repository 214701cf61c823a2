"""A file system of its own for one folder, which can be full: a program holds it, and does what it is told.

It needs no place in the tree of folders: the program says by which number it holds the root, and others find it under
/proc. Where we may not mount, it does so in a namespace of users. Nothing of it outlives the program.

Commands, one a line, are answered by a line: "fill" leaves no room, also none of what is given back later; "empty"
has as much as ever. `--check` says no more than whether it can be had.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

PLENTY_BYTES: Final = 1 << 30  # space that is not used takes no memory
TAKE_SECONDS: Final = 0.01  # after which what was given back is taken

# As <linux/mount.h> and <linux/sched.h> have them; the numbers of the calls are the same on every machine.
FSOPEN, FSCONFIG, FSMOUNT, FSPICK = 430, 431, 432, 433
SET_STRING, CREATE, RECONFIGURE = 1, 6, 7
PICK_EMPTY_PATH: Final = 8
NEW_NAMESPACES: Final = 0x10000000 | 0x00020000  # of users, and of mounts
SET_DUMPABLE: Final = 4

_libc: Final = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _call(number: int, *arguments: object) -> int:
    return _checked(_libc.syscall(number, *arguments))


def mounted() -> int:
    """The root of a new file system, as a descriptor.

    Raises:
        OSError: the kernel does not let us.
    """
    with suppress(PermissionError):
        return _mounted()
    _enter_namespace()
    return _mounted()


def _mounted() -> int:
    context = _call(FSOPEN, b"tmpfs", 0)
    _configure(context, "size", PLENTY_BYTES)
    _configure(context, "mode", "0700")
    _call(FSCONFIG, context, CREATE, None, None, 0)
    return _call(FSMOUNT, context, 0, 0)


def _configure(context: int, name: str, value: object) -> None:
    _call(FSCONFIG, context, SET_STRING, name.encode(), str(value).encode(), 0)


def _enter_namespace() -> None:
    """Be the one user of a namespace, who may mount there; others of ours still find what we hold."""
    identities = {"uid_map": os.getuid(), "gid_map": os.getgid()}
    _checked(_libc.unshare(NEW_NAMESPACES))
    _checked(_libc.prctl(SET_DUMPABLE, 1, 0, 0, 0))
    us = Path("/proc/self")
    (us / "setgroups").write_text("deny", encoding="ascii")
    for name, identity in identities.items():
        (us / name).write_text(f"{identity} {identity} 1", encoding="ascii")


class SmallDisk:
    """The file system below `root`."""

    def __init__(self, root: int) -> None:
        self._root = root
        self.is_full = False
        # The kernel knows no limit of nothing, so there has to be something in use.
        self._least = os.open(f"/proc/self/fd/{root}", os.O_TMPFILE | os.O_WRONLY)
        os.write(self._least, b"1")

    def obey(self, command: str) -> None:
        self.is_full = command == "fill"
        if not self.is_full:
            self._limit(PLENTY_BYTES)

    def fill(self) -> None:
        """Leave no room, as long as it is to be full. The target may take some meanwhile."""
        while self.is_full and (now := os.fstatvfs(self._root)).f_bfree:
            with suppress(OSError):
                self._limit((now.f_blocks - now.f_bfree) * now.f_frsize)

    def _limit(self, size: int) -> None:
        context = _call(FSPICK, self._root, b"", PICK_EMPTY_PATH)
        try:
            _configure(context, "size", size)
            _call(FSCONFIG, context, RECONFIGURE, None, None, 0)
        finally:
            os.close(context)


def _serve(disk: SmallDisk) -> None:
    while True:
        if not select.select([sys.stdin], [], [], TAKE_SECONDS if disk.is_full else None)[0]:
            disk.fill()
        elif line := sys.stdin.readline():
            disk.obey(line.strip())
            disk.fill()
            print("done", flush=True)  # noqa: T201
        else:
            return


def main() -> None:
    try:
        root = mounted()
    except OSError as error:
        sys.exit(f"no file system can be mounted: {error}")
    if "--check" not in sys.argv:
        print(root, flush=True)  # noqa: T201
        _serve(SmallDisk(root))


if __name__ == "__main__":
    main()
