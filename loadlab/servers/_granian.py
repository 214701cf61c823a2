"""What both interfaces of granian share."""

from __future__ import annotations

import signal
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers.base import Count, Server, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class GranianServer(Server):
    """granian: an HTTP server in Rust, with Python in `workers` processes.

    A worker that ends by itself is replaced, as process managers do it for other servers; without the option, granian
    stops as a whole.
    """

    packages: ClassVar[tuple[str, ...]] = ("granian",)
    runs_exit_hooks: ClassVar[bool] = False
    quiet_boot: ClassVar[bool] = True
    recycled: ClassVar[str] = ""

    workers: Count = 1

    @abstractmethod
    def application(self, site: Site) -> list[str]:
        """The interface, what it takes, and where the application is."""

    def argv(self, site: Site, port: int) -> list[str]:
        granian = [site.python, "-m", "granian", "--host", "127.0.0.1", "--port", str(port)]
        return [*granian, "--workers", str(self.workers), "--respawn-failed-workers", *self.application(site)]

    def processes(self) -> int:
        return self.workers

    def replaced_workers(self) -> int:
        return self.workers

    def reload_signal(self) -> signal.Signals:
        return signal.SIGHUP
