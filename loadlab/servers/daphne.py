"""daphne: the ASGI server of Django's channels, in one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers.base import AsgiServer, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Daphne(AsgiServer):
    """An idle client may stay for a minute, by Twisted's default, which no option of daphne changes."""

    title: ClassVar[str] = "daphne"
    packages: ClassVar[tuple[str, ...]] = ("daphne",)
    single_process: ClassVar[bool] = True

    def argv(self, site: Site, port: int) -> list[str]:
        # Access logs would be measured too, and no other mode writes them here.
        quiet = ["--verbosity", "0"]
        return [site.python, "-m", "daphne", *quiet, "--bind", "127.0.0.1", "--port", str(port), site.asgi]

    def processes(self) -> int:
        return 1
