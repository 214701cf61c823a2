"""waitress: one process, a fixed pool of threads behind an event loop that buffers requests and responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers.base import Count, Server, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Waitress(Server):
    """`threads` take requests from one queue in turn, so one client after the other comes to use all of them.

    Counted with waitress 3.0.2 (waitress/task.py, `ThreadedTaskDispatcher`): 4 connections with 4 threads, 16 with 16
    threads and a single client. A response without Content-Length closes the client's connection.
    """

    title: ClassVar[str] = "waitress"
    remarks: ClassVar[tuple[str, ...]] = (
        (
            "A client that keeps its connection has to open a new one after each response without Content-Length;"
            " Django's CommonMiddleware sets it, but not for streams (waitress 3.0.2)."
        ),
    )
    runs_exit_hooks: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("waitress",)
    quiet_boot: ClassVar[bool] = True
    single_process: ClassVar[bool] = True

    threads: Count = 4

    def argv(self, site: Site, port: int) -> list[str]:
        waitress = [site.python, "-m", "waitress", "--listen", f"127.0.0.1:{port}"]
        return [*waitress, "--threads", str(self.threads), site.wsgi]

    def processes(self) -> int:
        return 1

    def usable_connections(self, users: int) -> int:  # noqa: ARG002  idle threads keep theirs for the next request
        return self.threads
