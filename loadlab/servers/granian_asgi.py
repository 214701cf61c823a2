"""granian over ASGI: Django's ASGI handler runs each request's synchronous code in its own thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers._granian import GranianServer
from loadlab.servers.base import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class GranianAsgi(GranianServer):
    """The interface "asginl": ASGI without the lifespan protocol, which Django does not speak."""

    title: ClassVar[str] = "granian (ASGI)"
    asgi: ClassVar[bool] = True

    def application(self, site: Site) -> list[str]:
        return ["--interface", "asginl", site.asgi]

    def usable_connections(self, users: int) -> int:
        return users

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:  # noqa: ARG002  a thread ends with its request
        return 0
