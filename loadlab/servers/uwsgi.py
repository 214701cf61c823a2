"""uWSGI: processes, each with a fixed number of threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers._uwsgi import UwsgiServer
from loadlab.servers.base import Count, Flag


@dataclass(frozen=True, kw_only=True, slots=True)
class Uwsgi(UwsgiServer):
    """Threads live as long as their process, and hold a connection each.

    Without `enable_threads`, which several `threads` imply, threads that the site has started run only while a
    request is served.
    """

    title: ClassVar[str] = "uWSGI"
    refused: ClassVar[Mapping[str, str]] = {**UwsgiServer.refused, "gevent": "it is a mode: [servers.uwsgi_gevent]"}
    counted: ClassVar[Mapping[str, Scalar]] = {"workers": 1, "threads": 4}

    threads: Count = 1
    enable_threads: Flag = False

    def threading_arguments(self) -> list[str]:
        enabled = ["--enable-threads"] if self.enable_threads else []
        return [*enabled, "--threads", str(self.threads)] if self.threads > 1 else enabled

    def usable_connections(self, users: int) -> int:  # noqa: ARG002  idle threads keep theirs for the next request
        return self.workers * self.threads
