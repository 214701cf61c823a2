"""cheroot, CherryPy's server: one process, a fixed pool of threads, each with a client connection's requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers.base import Count, Server, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Cheroot(Server):
    """All `threads` start with the server and take requests from one queue in turn.

    Counted with cheroot 11.1.2 (cheroot/workers/threadpool.py, `ThreadPool`): 10 connections with 10 threads.
    """

    title: ClassVar[str] = "cheroot"
    runs_exit_hooks: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("cheroot",)
    quiet_boot: ClassVar[bool] = True
    single_process: ClassVar[bool] = True

    threads: Count = 10

    def argv(self, site: Site, port: int) -> list[str]:
        cheroot = [site.python, "-m", "cheroot", "--bind", f"127.0.0.1:{port}"]
        return [*cheroot, "--threads", str(self.threads), site.wsgi]

    def processes(self) -> int:
        return 1

    def usable_connections(self, users: int) -> int:  # noqa: ARG002  idle threads keep theirs for the next request
        return self.threads
