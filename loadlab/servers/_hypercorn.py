"""What both modes of hypercorn share."""

from __future__ import annotations

import signal
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers.base import KEPT, Count, Seconds, Server, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class HypercornServer(Server):
    """hypercorn with `workers` processes below its own; `keep_alive_seconds` is how long an idle client may stay."""

    packages: ClassVar[tuple[str, ...]] = ("hypercorn",)
    quiet_boot: ClassVar[bool] = True
    remarks: ClassVar[tuple[str, ...]] = (
        (
            "When one worker is killed, e.g. for lack of memory, hypercorn stops as a whole; a process manager has to"
            " start it again (hypercorn 0.18.0)."
        ),
        (
            "A worker that --max-requests replaces loses requests: 8 of 200, with 2 workers and a limit of 20"
            " (hypercorn 0.18.0)."
        ),
    )
    counted: ClassVar[Mapping[str, Scalar]] = KEPT
    # It does not say when a worker has served --max-requests. But one that is killed ends the whole server, so a worker
    # that is gone beside a server that goes on has been replaced.
    recycled: ClassVar[str] = r"\[(\d+)\] \[INFO\] Running on "

    workers: Count = 1
    keep_alive_seconds: Seconds = 5

    @abstractmethod
    def application(self, site: Site) -> str:
        """The application, with the interface that it has in front."""

    def argv(self, site: Site, port: int) -> list[str]:
        hypercorn = [site.python, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "--workers", str(self.workers)]
        limits = ["--keep-alive", str(self.keep_alive_seconds), "--graceful-timeout", "2"]
        return [*hypercorn, *limits, self.application(site)]

    def processes(self) -> int:
        return self.workers

    def recycle_option(self) -> str:
        return "--max-requests"

    def reload_signal(self) -> signal.Signals:
        return signal.SIGHUP
