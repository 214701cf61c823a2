"""Counts the connections that processes still hold although their other end is gone."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadlab.services.database import Database

HALF_CLOSED: Final = psutil.CONN_CLOSE_WAIT  # the other end has closed it, and ours has not yet


def left_behind(pids: Iterable[int], database: Database) -> int:
    """Of these processes, those to where they reach the database; a shared one counts once.

    The kernel knows: neither the target, which finds out when it uses one, nor PostgreSQL, which has forgotten it.
    """
    port = database.parameters.get("port", "")
    return len({address for pid in pids for address in _half_closed(pid, port)})


def _half_closed(pid: int, port: str) -> Iterator[tuple[str, int]]:
    with suppress(psutil.Error, OSError):
        for one in psutil.Process(pid).net_connections(kind="tcp"):
            if one.status == HALF_CLOSED and one.raddr and str(one.raddr.port) == port:
                yield one.laddr.ip, one.laddr.port
