"""What all modes of uvicorn share."""

from __future__ import annotations

import signal
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers.base import KEPT, Count, Seconds, Server, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class UvicornServer(Server):
    """uvicorn with `workers` processes; `keep_alive_seconds` is how long an idle client may stay."""

    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    packages: ClassVar[tuple[str, ...]] = ("uvicorn",)
    quiet_boot: ClassVar[bool] = True
    remarks: ClassVar[tuple[str, ...]] = (
        "The counts are of a stop by SIGINT. Stopped by SIGTERM, it abandons its connections (uvicorn 0.54.0).",
        (
            "A worker that --limit-max-requests replaces loses requests: 2 to 4 of 200, with 2 workers and a limit of"
            " 20 or 50 (uvicorn 0.54.0)."
        ),
    )
    counted: ClassVar[Mapping[str, Scalar]] = KEPT
    # A worker has served --limit-max-requests; one that is killed has no time to say so.
    recycled: ClassVar[str] = r"Finished server process \[(\d+)\]"

    workers: Count = 1
    keep_alive_seconds: Seconds = 5

    @abstractmethod
    def application(self, site: Site) -> list[str]:
        """The application, and the interface that it has."""

    def argv(self, site: Site, port: int) -> list[str]:
        uvicorn = [site.python, "-m", "uvicorn", *self.application(site), "--host", "127.0.0.1", "--port", str(port)]
        limits = ["--timeout-keep-alive", str(self.keep_alive_seconds), "--timeout-graceful-shutdown", "2"]
        # Access logs would be measured too, and no other mode writes them here.
        return [*uvicorn, "--workers", str(self.workers), *limits, "--no-access-log", "--lifespan", "off"]

    def processes(self) -> int:
        return self.workers

    def recycle_option(self) -> str:
        return "--limit-max-requests" if self.workers > 1 else ""  # with one process, it ends as a whole

    def replaced_workers(self) -> int:
        return self.workers if self.workers > 1 else 0

    def reload_signal(self) -> signal.Signals | None:
        return signal.SIGHUP if self.workers > 1 else None
