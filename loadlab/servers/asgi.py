"""uvicorn: Django's ASGI handler runs each request's synchronous code in its own thread."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers.base import KEPT, Count, Seconds, Server, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Asgi(Server):
    """uvicorn with `workers` processes; `keep_alive_seconds` is how long an idle client may stay."""

    title: ClassVar[str] = "uvicorn (ASGI)"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    packages: ClassVar[tuple[str, ...]] = ("uvicorn",)
    asgi: ClassVar[bool] = True
    quiet_boot: ClassVar[bool] = True
    usual: ClassVar[bool] = True
    counted: ClassVar[Mapping[str, Scalar]] = KEPT

    workers: Count = 1
    keep_alive_seconds: Seconds = 5

    def argv(self, site: Site, port: int) -> list[str]:
        uvicorn = [site.python, "-m", "uvicorn", site.asgi, "--host", "127.0.0.1", "--port", str(port)]
        limits = ["--timeout-keep-alive", str(self.keep_alive_seconds), "--timeout-graceful-shutdown", "2"]
        # Access logs would be measured too, and no other mode writes them here.
        return [*uvicorn, "--workers", str(self.workers), *limits, "--no-access-log", "--lifespan", "off"]

    def processes(self) -> int:
        return self.workers

    def usable_connections(self, users: int) -> int:
        return users

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:  # noqa: ARG002  a thread ends with its request
        return 0
