"""hypercorn: an ASGI server; Django runs each request's synchronous code in its own thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers._hypercorn import HypercornServer
from loadlab.servers.base import AsgiServer, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Hypercorn(AsgiServer, HypercornServer):
    """hypercorn with `workers` processes below its own; `keep_alive_seconds` is how long an idle client may stay."""

    title: ClassVar[str] = "hypercorn (ASGI)"

    def application(self, site: Site) -> str:
        return f"asgi:{site.asgi}"
