"""Counts the connections that processes still hold although their other end is gone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadlab.services.database import Database

HALF_CLOSED: Final = psutil.CONN_CLOSE_WAIT  # the other end has closed it, and ours has not yet
TABLES: Final = ("tcp", "tcp6", "udp", "udp6", "unix", "netlink", "packet", "raw", "raw6", "icmp", "icmp6")
INODE_IN: Final = {"unix": 6, "packet": 8}  # the column of these; in the others it is the tenth
SOCKET: Final = "socket:["


def left_behind(pids: Iterable[int], database: Database) -> int:
    """Of these processes, those to where they reach the database; a shared one counts once.

    The kernel knows: neither the target, which finds out when it uses one, nor PostgreSQL, which has forgotten it.
    A connection that was reset is in no table of the kernel's any more, and has no address: on Linux, the sockets that
    a process holds and no table has are counted as such.
    """
    port, known = database.parameters.get("port", ""), list(pids)
    closed = {address for pid in known for address in _half_closed(pid, port)}
    return len(closed) + len({inode for pid in known for inode in _reset(pid)})


def of_connections(sockets: int, missing: int, failed: int) -> int:
    """How many of the `sockets` whose other end is gone were connections, where `missing` sessions are no more.

    The others are of attempts that PostgreSQL refused: under gevent, the driver's object and its socket stay until
    Python collects garbage. There are no more of these than attempts that `failed`.

    >>> of_connections(9, missing=6, failed=19), of_connections(9, missing=6, failed=1), of_connections(4, 6, 19)
    (6, 8, 4)
    """
    return max(sockets - failed, min(sockets, missing))


def _half_closed(pid: int, port: str) -> Iterator[tuple[str, int]]:
    with suppress(psutil.Error, OSError):
        for one in psutil.Process(pid).net_connections(kind="tcp"):
            if one.status == HALF_CLOSED and one.raddr and str(one.raddr.port) == port:
                yield one.laddr.ip, one.laddr.port


def _reset(pid: int) -> set[str]:
    """The inodes of a process's sockets which no table has; none where the system has no such tables."""
    with suppress(OSError):
        held = {target.removeprefix(SOCKET).rstrip("]") for target in _opened(pid) if target.startswith(SOCKET)}
        return held - {inode for table in TABLES for inode in _inodes(pid, table)}
    return set()


def _opened(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed since
            yield str(descriptor.readlink())


def _inodes(pid: int, table: str) -> Iterator[str]:
    column = INODE_IN.get(table, 9)
    with suppress(FileNotFoundError):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            yield line.split()[column]
