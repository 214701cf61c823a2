"""gunicorn's gevent worker: a greenlet per client connection."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers._gevent import blocking, cooperation, needed, uncooperative
from loadlab.servers._gunicorn import WITH_GEVENT, KeepAliveGunicornServer
from loadlab.servers.base import KEPT, Count, Flag


@dataclass(frozen=True, kw_only=True, slots=True)
class Gevent(KeepAliveGunicornServer):
    """`cooperative` lets psycopg2 yield to other greenlets while it waits (psycogreen's wait callback).

    Without it every query blocks its whole worker. psycopg 3 cooperates by itself.
    """

    title: ClassVar[str] = "gunicorn gevent"
    remarks: ClassVar[tuple[str, ...]] = (
        *KeepAliveGunicornServer.remarks,
        (
            "pip install gunicorn gevent is not enough: the worker also needs packaging, which gunicorn[gevent] brings"
            " (gunicorn 27.0.1)."
        ),
    )
    # The quick end: a gevent worker looks only once a second whether it was asked for the slow one.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    packages: ClassVar[tuple[str, ...]] = WITH_GEVENT
    greenlets: ClassVar[bool] = True
    usual: ClassVar[bool] = True
    counted: ClassVar[Mapping[str, Scalar]] = KEPT

    worker_connections: Count = 1000
    cooperative: Flag = True

    def worker_arguments(self) -> list[str]:
        limit = ["--worker-connections", str(self.worker_connections)]
        return ["--worker-class", "gevent", *limit, *self.keep_alive_arguments()]

    def needs(self, driver: str) -> tuple[str, ...]:
        return needed(self.packages, driver, cooperative=self.cooperative)

    def incompatible(self, driver: str) -> tuple[str, str, str] | None:
        return uncooperative(driver, cooperative=self.cooperative)

    def unmodelled(self) -> str | None:
        return blocking(cooperative=self.cooperative)

    def environment(self) -> dict[str, str]:
        return cooperation(wanted=self.cooperative)

    def usable_connections(self, users: int) -> int:
        return min(users, self.workers * self.worker_connections)

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:
        return self.usable_connections(users) if keep_alive else 0
