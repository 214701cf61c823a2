"""Counts the sessions that PostgreSQL goes on to have although their client is gone, or has given up."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadlab.services.database import Database


def clients_gone(proxy: int) -> int:
    """Of the connections of a proxy's clients, those whose client is gone, and could not say so.

    The kernel knows: the client's end is in none of its tables. Each has a session at PostgreSQL, which has nothing to
    send, and so does not notice. There are none where the kernel does not tell about other programs.
    """
    with suppress(psutil.Error, OSError):
        ends = psutil.Process(proxy).net_connections(kind="tcp")
        entrance = {one.laddr for one in ends if one.status == psutil.CONN_LISTEN}
        clients = {one.raddr for one in ends if one.raddr and one.laddr in entrance}
        alive = {one.laddr for one in psutil.net_connections(kind="tcp") if one.raddr in entrance}
        return len(clients - alive)
    return 0


def held(pids: Iterable[int], database: Database) -> int:
    """The sockets that these processes have connected to where they reach the database.

    They may be more than they count as open: psycopg 3 gives up an attempt after connect_timeout, and its socket is
    garbage until Python collects it.
    """
    port = database.parameters.get("port", "")
    return len({address for pid in pids for address in _connected(pid, port)})


def _connected(pid: int, port: str) -> Iterator[tuple[str, int]]:
    with suppress(psutil.Error, OSError):
        for one in psutil.Process(pid).net_connections(kind="tcp"):
            if one.status == psutil.CONN_ESTABLISHED and one.raddr and str(one.raddr.port) == port:
                yield one.laddr.ip, one.laddr.port
