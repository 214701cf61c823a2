"""Apache with mod_wsgi, as mod_wsgi-express sets it up: daemon processes embed Python, each with a pool of threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers.base import KEPT, Count, Limit, Seconds, Server, Site
from loadlab.system.programs import APACHE, SystemProgram


@dataclass(frozen=True, kw_only=True, slots=True)
class ModWsgi(Server):
    """Apache takes client connections, and hands each request to a thread of a daemon process.

    A daemon that has answered `max_requests` (0: any number) is replaced. `keep_alive_seconds` is how long an idle
    client may stay with Apache.

    Counted with mod_wsgi 6.1.1 and Apache 2.4.71: 10 connections with 2 workers of 5 threads; 3 or 4 of them for one
    client after another, because the thread that became idle last serves next. Daemons run Python's atexit.
    """

    title: ClassVar[str] = "mod_wsgi"
    packages: ClassVar[tuple[str, ...]] = ("mod_wsgi", "mod_wsgi-standalone")
    instead: ClassVar[Mapping[str, str]] = {"mod_wsgi": "mod_wsgi-standalone"}
    programs: ClassVar[tuple[SystemProgram, ...]] = (APACHE,)
    quiet_boot: ClassVar[bool] = True
    unprivileged: ClassVar[bool] = True
    # A daemon has answered --maximum-requests requests; it says so at the level info.
    recycled: ClassVar[str] = r"\[pid (\d+):tid \d+\] Maximum requests reached"
    counted: ClassVar[Mapping[str, Scalar]] = {"threads": 4, **KEPT}

    workers: Count = 1
    threads: Count = 5
    max_requests: Limit = 0
    keep_alive_seconds: Seconds = 2

    def argv(self, site: Site, port: int) -> list[str]:
        module, _, application = site.wsgi.partition(":")
        express = [site.python, "-m", "mod_wsgi.express.cli", "start-server", "--application-type", "module", module]
        address = ["--host", "127.0.0.1", "--port", str(port), "--callable-object", application]
        files = ["--server-root", site.scratch, "--log-to-terminal", "--log-level", "info"]
        threads = ["--processes", str(self.workers), "--threads", str(self.threads)]
        return [*express, *address, *files, *threads, *self._limits()]

    def _limits(self) -> list[str]:
        limit = ["--maximum-requests", str(self.max_requests)] if self.max_requests else []
        return [*limit, "--keep-alive-timeout", str(self.keep_alive_seconds)]

    def recycle_option(self) -> str:
        return "--maximum-requests"

    def recycled_after(self) -> int | None:
        return self.max_requests or None

    def needs(self, driver: str) -> tuple[str, ...]:  # noqa: ARG002
        return ("mod_wsgi",)

    def processes(self) -> int:
        return self.workers

    def usable_connections(self, users: int) -> int:  # noqa: ARG002  idle threads keep theirs for the next request
        return self.workers * self.threads
