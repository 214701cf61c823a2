"""Django's own development server: a thread per client connection, as in 2013."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers._runserver import RunServer
from loadlab.servers.base import Flag


@dataclass(frozen=True, kw_only=True, slots=True)
class Threaded(RunServer):
    """`nagle` leaves Nagle's algorithm on, as runserver has it: 40 ms more per request on kept client connections."""

    title: ClassVar[str] = "threaded runserver"
    usual: ClassVar[bool] = True

    nagle: Flag = False

    def usable_connections(self, users: int) -> int:
        return users

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:
        return self.usable_connections(users) if keep_alive else 0

    def environment(self) -> dict[str, str]:
        return {"LOADLAB_NAGLE": "on" if self.nagle else "off"}
