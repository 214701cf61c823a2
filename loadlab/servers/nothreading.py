"""Django's own development server with --nothreading: the main thread serves one request after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers._runserver import RunServer


@dataclass(frozen=True, kw_only=True, slots=True)
class NoThreading(RunServer):
    """Each response says "Connection: close" (django/core/servers/basehttp.py, `ServerHandler.cleanup_headers`)."""

    title: ClassVar[str] = "runserver --nothreading"
    flags: ClassVar[tuple[str, ...]] = ("--nothreading",)
    keeps_clients: ClassVar[bool] = False

    def usable_connections(self, users: int) -> int:  # noqa: ARG002  one thread has one connection
        return 1
