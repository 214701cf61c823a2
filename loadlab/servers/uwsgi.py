"""uWSGI: processes, each with a fixed number of threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers._uwsgi import UwsgiServer
from loadlab.servers.base import Count


@dataclass(frozen=True, kw_only=True, slots=True)
class Uwsgi(UwsgiServer):
    """Threads live as long as their process, and hold a connection each.

    Counted with uWSGI 2.0.30 and 2.0.31: 2 connections with 2 workers, 4 with 4 threads. A worker that is asked to end
    runs Python's atexit (`uwsgi_python_atexit` in plugins/python/python_plugin.c), and its connections end in order.
    """

    title: ClassVar[str] = "uWSGI"
    refused: ClassVar[Mapping[str, str]] = {**UwsgiServer.refused, "gevent": "it is a mode: [servers.uwsgi_gevent]"}
    counted: ClassVar[Mapping[str, Scalar]] = {"workers": 1, "threads": 4}

    threads: Count = 1

    def threading_arguments(self) -> list[str]:
        return ["--threads", str(self.threads)]

    def usable_connections(self, users: int) -> int:  # noqa: ARG002  idle threads keep theirs for the next request
        return self.workers * self.threads
