"""granian over WSGI: a pool of threads in Rust that grows with the load, and shrinks when nothing comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from loadlab.model.bounds import Bounds
from loadlab.model.config import Scalar
from loadlab.servers._granian import GranianServer
from loadlab.servers.base import Count, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Granian(GranianServer):
    """Up to `threads` per worker; all but one end when idle for `idle_seconds`, and leave their connections open.

    Counted with granian 2.8.9 (src/blocking.rs, `BlockingRunnerPool`; server/common.py, `blocking_threads`): under
    steady load of 8 clients 4 connections with 4 threads; 9 or 10 with up to 512, and 16 with two such workers. After
    four bursts with pauses of 7 s and `idle_seconds` of 5, 13 are open with 4 threads, and 30 with up to 512. granian's
    own default is 512 threads, divided by the workers.
    """

    title: ClassVar[str] = "granian"
    remarks: ClassVar[tuple[str, ...]] = (
        (
            "granian 2.8.9 ends a thread that was idle for `--blocking-threads-idle-timeout` (30 s), and the thread's"
            " connection stays open until Python collects garbage. With 4 threads, four bursts with pauses leave 4, 7,"
            " 10 and 13 connections."
        ),
    )
    counted: ClassVar[Mapping[str, Scalar]] = {"threads": 4}
    quiet: ClassVar[Mapping[str, Scalar]] = {"idle_seconds": 5}

    threads: Count = 4
    idle_seconds: Annotated[int, Bounds(ge=5, le=600, description="whole seconds, from 5 to 600")] = 30

    def application(self, site: Site) -> list[str]:
        threads = ["--blocking-threads", str(self.threads), "--blocking-threads-idle-timeout", str(self.idle_seconds)]
        return ["--interface", "wsgi", *threads, site.wsgi]

    def usable_connections(self, users: int) -> int:
        return min(users, self.workers * self.threads)

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:  # noqa: ARG002
        return self.workers * self.threads

    def idle_end_seconds(self) -> float | None:
        return self.idle_seconds
