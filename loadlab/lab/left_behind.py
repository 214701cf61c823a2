"""Counts the connections that processes still hold although their other end is gone."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.services.database import Database

HALF_CLOSED: Final = psutil.CONN_CLOSE_WAIT  # the other end has closed it, and ours has not yet


def left_behind(root: int, database: Database) -> int:
    """Of the process tree below `root`, those to where it reaches the database; a shared one counts once.

    The kernel knows: neither the target, which finds out when it uses one, nor PostgreSQL, which has forgotten it.
    """
    port = database.parameters.get("port", "")
    return len({address for pid in _tree(root) for address in _half_closed(pid, port)})


def _half_closed(pid: int, port: str) -> Iterator[tuple[str, int]]:
    with suppress(psutil.Error, OSError):
        for one in psutil.Process(pid).net_connections(kind="tcp"):
            if one.status == HALF_CLOSED and one.raddr and str(one.raddr.port) == port:
                yield one.laddr.ip, one.laddr.port


def _tree(root: int) -> list[int]:
    with suppress(psutil.Error):
        return [root, *(process.pid for process in psutil.Process(root).children(recursive=True))]
    return []
