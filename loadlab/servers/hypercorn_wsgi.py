"""hypercorn with a WSGI application: Django in the threads of the event loop's executor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers._hypercorn import HypercornServer
from loadlab.servers.base import EXECUTOR_THREADS, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class HypercornWsgi(HypercornServer):
    """The executor has as many threads as the machine has CPUs, and 4; a thread is added when no other is idle.

    `sync_spawn` of hypercorn/asyncio/task_group.py names no executor, so it is asyncio's own.
    """

    title: ClassVar[str] = "hypercorn (WSGI)"
    remarks: ClassVar[tuple[str, ...]] = (
        *HypercornServer.remarks,
        (
            "A streamed response whose client has left keeps its database connection until the stream ends, also at"
            " CONN_MAX_AGE = 0 (hypercorn 0.18.0)."
        ),
    )

    def application(self, site: Site) -> str:
        return f"wsgi:{site.wsgi}"

    def usable_connections(self, users: int) -> int:  # noqa: ARG002  idle threads keep theirs for the next request
        return self.workers * EXECUTOR_THREADS
