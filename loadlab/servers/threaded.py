"""Django's own development server: a thread per client connection, as in 2013."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Hooks
from loadlab.servers.base import Flag, Server, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Threaded(Server):
    """`nagle` leaves Nagle's algorithm on, as runserver has it: 40 ms more per request on kept client connections."""

    title: ClassVar[str] = "threaded runserver"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    hooks: ClassVar[Hooks] = "runserver"
    usual: ClassVar[bool] = True
    single_process: ClassVar[bool] = True

    nagle: Flag = False

    def argv(self, site: Site, port: int) -> list[str]:
        return [site.python, *site.manage, "runserver", "--noreload", f"127.0.0.1:{port}"]

    def processes(self) -> int:
        return 1

    def usable_connections(self, users: int) -> int:
        return users

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:
        return self.usable_connections(users) if keep_alive else 0

    def environment(self) -> dict[str, str]:
        return {"LOADLAB_NAGLE": "on" if self.nagle else "off"}
