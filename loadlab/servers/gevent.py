"""gunicorn's gevent worker: a greenlet per client connection."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from loadlab.model.bounds import Bounds
from loadlab.model.config import Scalar
from loadlab.servers._gunicorn import KeepAliveGunicornServer
from loadlab.servers.base import KEPT, Count

COOPERATION: Final = "psycogreen"  # psycopg2's with gevent; psycopg 3 needs none


@dataclass(frozen=True, kw_only=True, slots=True)
class Gevent(KeepAliveGunicornServer):
    """`cooperative` lets psycopg2 yield to other greenlets while it waits (psycogreen's wait callback).

    Without it every query blocks its whole worker. psycopg 3 cooperates by itself.
    """

    title: ClassVar[str] = "gunicorn gevent"
    # The quick end: a gevent worker looks only once a second whether it was asked for the slow one.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    # gunicorn does not say that its gevent worker needs packaging.
    packages: ClassVar[tuple[str, ...]] = ("gunicorn", "gevent", "packaging", COOPERATION)
    greenlets: ClassVar[bool] = True
    usual: ClassVar[bool] = True
    counted: ClassVar[Mapping[str, Scalar]] = KEPT

    worker_connections: Count = 1000
    cooperative: Annotated[bool, Bounds(description="true or false")] = True

    def worker_arguments(self) -> list[str]:
        limit = ["--worker-connections", str(self.worker_connections)]
        return ["--worker-class", "gevent", *limit, *self.keep_alive_arguments()]

    def needs(self, driver: str) -> tuple[str, ...]:
        cooperates = driver == "psycopg2" and self.cooperative
        return tuple(package for package in self.packages if package != COOPERATION or cooperates)

    def incompatible(self, driver: str) -> tuple[str, str, str] | None:
        if driver == "psycopg" and not self.cooperative:
            return "cooperative", "psycopg 3 always cooperates", 'use driver = "psycopg2"'
        return None

    def environment(self) -> dict[str, str]:
        return {"LOADLAB_COOPERATIVE": "on" if self.cooperative else "off"}

    def usable_connections(self, users: int) -> int:
        return min(users, self.workers * self.worker_connections)

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:
        return self.usable_connections(users) if keep_alive else 0
