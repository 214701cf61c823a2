"""uvicorn: Django's ASGI handler runs each request's synchronous code in its own thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers._uvicorn import UvicornServer
from loadlab.servers.base import AsgiServer, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Asgi(AsgiServer, UvicornServer):
    """uvicorn with `workers` processes; `keep_alive_seconds` is how long an idle client may stay."""

    title: ClassVar[str] = "uvicorn (ASGI)"
    usual: ClassVar[bool] = True

    def application(self, site: Site) -> list[str]:
        return [site.asgi]
