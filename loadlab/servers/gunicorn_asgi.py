"""gunicorn's own ASGI worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers._gunicorn import KeepAliveGunicornServer
from loadlab.servers.base import KEPT, AsgiServer, Count


@dataclass(frozen=True, kw_only=True, slots=True)
class GunicornAsgi(AsgiServer, KeepAliveGunicornServer):
    """An event loop per worker, with at most `worker_connections` clients (gunicorn/workers/gasgi.py)."""

    title: ClassVar[str] = "gunicorn asgi"
    counted: ClassVar[Mapping[str, Scalar]] = KEPT

    worker_connections: Count = 1000

    def worker_arguments(self) -> list[str]:
        limit = ["--worker-connections", str(self.worker_connections)]
        return ["--worker-class", "asgi", *limit, *self.keep_alive_arguments()]

    def usable_connections(self, users: int) -> int:
        return min(users, self.workers * self.worker_connections)
